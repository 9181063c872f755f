//! Whether the network costs by the byte, as NetworkManager says over D-Bus. Where nobody says so, it does not.

use crate::base::sync::Bell;
use crate::upload::MeteredFlag;
use std::time::Duration;
use zbus::blocking::proxy::Builder as ProxyBuilder;
use zbus::blocking::{Connection, Proxy, connection};
use zbus::proxy::CacheProperties;

const NAME: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";
/// How often it is asked: no signal tells that NetworkManager itself went away.
const PERIOD: Duration = Duration::from_secs(10);
/// Without a bus or a NetworkManager, they are looked for again after this.
const RETRY: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps `flag` true for as long as the network is metered; rings where that changes. The thread ends with the process.
pub(super) fn spawn_watch(flag: MeteredFlag, bell: Bell) {
    let note = move |metered| {
        if flag.set(metered) {
            tracing::info!(metered, "the network's price has changed");
            bell.ring();
        }
    };
    let watching = move || {
        loop {
            let error = watch_system(&note);
            note(false);
            tracing::debug!(%error, "NetworkManager cannot be asked whether the network is metered");
            std::thread::sleep(RETRY);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("metered".into()).spawn(watching) {
        tracing::warn!(%error, "nobody watches whether the network is metered");
    }
}

fn watch_system(note: &impl Fn(bool)) -> zbus::Error {
    let bus = connection::Builder::system().and_then(|builder| builder.method_timeout(PATIENCE).build());
    bus.map_or_else(|error| error, |bus| watch(&bus, PERIOD, note))
}

/// Tells `note` what is, again and again, until that cannot be asked.
fn watch(bus: &Connection, period: Duration, note: &impl Fn(bool)) -> zbus::Error {
    let metered = || -> zbus::Result<u32> {
        // Its answer is not kept: it would outlive a NetworkManager that is gone.
        let manager: Proxy<'_> = ProxyBuilder::new(bus)
            .destination(NAME)?
            .path(PATH)?
            .interface(NAME)?
            .cache_properties(CacheProperties::No)
            .build()?;
        manager.get_property("Metered")
    };
    loop {
        match metered() {
            Ok(value) => note(is_metered(value)),
            Err(error) => return error,
        }
        std::thread::sleep(period);
    }
}

/// NetworkManager's `NMMetered`: 1 yes, 3 by guess; 0 unknown, 2 no, 4 not by guess.
fn is_metered(value: u32) -> bool {
    matches!(value, 1 | 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc::{RecvTimeoutError, channel};

    struct NetworkManager(Arc<AtomicU32>);

    #[zbus::interface(name = "org.freedesktop.NetworkManager")]
    impl NetworkManager {
        #[zbus(property)]
        fn metered(&self) -> u32 {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// A bus of two: the watcher, and a NetworkManager that says what the test wants.
    #[test]
    fn what_network_manager_says_is_told_until_it_is_gone() {
        const LONGEST: Duration = Duration::from_secs(20);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (send, told) = channel();
        std::thread::spawn(move || {
            let bus = connection::Builder::async_io_unix_stream(ours).p2p().method_timeout(PATIENCE).build().unwrap();
            watch(&bus, Duration::from_millis(2), &|metered| send.send(metered).unwrap())
        });
        let value = Arc::new(AtomicU32::new(1));
        let server = connection::Builder::async_io_unix_stream(theirs).server(zbus::Guid::generate()).unwrap().p2p();
        let server = server.serve_at(PATH, NetworkManager(Arc::clone(&value))).unwrap().build().unwrap();
        for (now, metered) in [(1, true), (2, false), (3, true), (4, false)] {
            value.store(now, Ordering::Relaxed);
            while told.recv_timeout(LONGEST).expect("it goes on telling") != metered {}
        }
        drop(server);
        let end = std::iter::repeat_with(|| told.recv_timeout(LONGEST)).find_map(Result::err);
        assert_eq!(end, Some(RecvTimeoutError::Disconnected), "it ends when nobody can be asked");
    }

    #[test]
    fn unknown_is_not_metered() {
        assert_eq!([0, 1, 2, 3, 4, 9].map(is_metered), [false, true, false, true, false, false]);
    }
}
