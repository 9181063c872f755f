//! Sealed files: what they cost without a disk (Criterion), and on one.
//!
//! `ENTEFS_BENCH_DIR=/some/dir cargo bench --bench vault` measures on the disk of that directory instead: 3 GiB of room
//! are needed, and root to drop the page cache.

use criterion::{Criterion, Throughput, criterion_group};
use entefs::base::{FileId, Ino, Nanos, PageBuf, Part, ReadAt, VaultId};
use entefs::cache::{Cache, CacheRead};
use entefs::crypto::{DeviceKey, StreamHeader};
use entefs::spool::{Found, Spool, SpoolOptions};
use entefs::vault::{CommitRecord, Disk, SealedFile, WriteBudget};
use std::hint::black_box;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const KIB: usize = 1024;
const MIB: usize = 1 << 20;

/// A disk in memory that costs a copy.
#[derive(Clone, Default)]
struct MemoryDisk(Arc<Mutex<Vec<u8>>>);

impl Disk for MemoryDisk {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.lock().expect("no panic");
        let rest = bytes.get(offset as usize..).unwrap_or(&[]);
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.0.lock().expect("no panic");
        let end = offset as usize + data.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(data);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().expect("no panic").resize(len as usize, 0);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.lock().expect("no panic").len() as u64)
    }

    fn punch(&self, range: Range<u64>) -> io::Result<()> {
        self.write_at(range.start, &vec![0; (range.end - range.start) as usize])
    }

    fn allocated(&self) -> io::Result<u64> {
        self.size()
    }

    fn start_writeback(&self, _range: Range<u64>) {}

    fn will_read(&self, _range: Range<u64>) {}
}

fn record() -> CommitRecord {
    CommitRecord {
        path: b"Drop/DCIM/100CANON/IMG_0001.JPG".to_vec(),
        album: None,
        ino: Ino(70_000),
        supersedes: None,
        complete: true,
        poisoned: false,
        removed: false,
        mode: 0o644,
        uid: 1000,
        gid: 1000,
        mtime: Nanos(0),
        ctime: Nanos(0),
        btime: Nanos(0),
    }
}

fn sealed(len: usize) -> SealedFile {
    let budget = WriteBudget::new(WriteBudget::DEFAULT_BYTES);
    let file = SealedFile::create(Box::new(MemoryDisk::default()), &DeviceKey::random(), VaultId([1; 16]), &budget);
    file.write_at(0, &vec![7; len]).expect("memory");
    file.commit(&record()).expect("memory");
    file
}

fn without_a_disk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sealed file");
    let (file, data) = (sealed(16 * MIB), vec![7; MIB]);
    let mut buf = PageBuf::zeroed(MIB);
    group.throughput(Throughput::Bytes(MIB as u64));
    let mut at = 0;
    group.bench_function("write 1 MiB", |bench| {
        bench.iter(|| {
            file.write_at(at, &data).expect("memory");
            at = (at + MIB as u64) % (16 * MIB) as u64;
        });
    });
    file.commit(&record()).expect("memory");
    group.bench_function("read 1 MiB", |bench| bench.iter(|| file.read_at(0, &mut buf).expect("memory")));
    group.throughput(Throughput::Elements(1));
    group.bench_function("read 4 KiB", |bench| {
        bench.iter(|| file.read_at(5 * MIB as u64, &mut buf[..4096]).expect("memory"));
    });
    group.bench_function("200 kB: create, write, commit", |bench| bench.iter(|| black_box(sealed(200_000))));
    group.finish();
}

criterion_group! {
    name = pure;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(2));
    targets = without_a_disk
}

fn gb_per_s(bytes: usize, since: Instant) -> f64 {
    bytes as f64 / since.elapsed().as_secs_f64() / 1e9
}

fn drop_page_cache() {
    rustix::fs::sync();
    if std::fs::write("/proc/sys/vm/drop_caches", "3").is_err() {
        println!("(the page cache could not be dropped)");
    }
}

fn write_large(spool: &Spool, len: usize, piece: usize) -> VaultId {
    let data = vec![7; piece];
    let file = spool.take().expect("room");
    let start = Instant::now();
    (0..len / piece).for_each(|at| file.write_at((at * piece) as u64, &data).expect("room"));
    let closing = Instant::now();
    file.commit(&record()).expect("room");
    println!(
        "write 1 GiB in pieces of {} KiB, with its commit: {:.2} GB/s; the commit: {:.0} ms",
        piece / KIB,
        gb_per_s(len, start),
        closing.elapsed().as_secs_f64() * 1e3
    );
    file.id()
}

fn read_large(spool: &Spool, id: VaultId, len: usize, what: &str) {
    let Found::File(file) = spool.open_file(id, Some(entefs::vault::Generation(1))).expect("just written") else {
        return;
    };
    let (reader, mut buf) = (file.reader(), PageBuf::zeroed(MIB));
    let start = Instant::now();
    (0..len / MIB).for_each(|at| reader.read_exact_at((at * MIB) as u64, &mut buf).expect("just written"));
    println!("read 1 GiB, {what}: {:.2} GB/s", gb_per_s(len, start));
}

fn write_small(spool: &Spool, count: usize, threads: usize) {
    let data = vec![7; 200_000];
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..count / threads {
                    let file = spool.take().expect("room");
                    data.chunks(128 * KIB).enumerate().for_each(|(at, piece)| {
                        file.write_at((at * 128 * KIB) as u64, piece).expect("room");
                    });
                    file.commit(&record()).expect("room");
                }
            });
        }
    });
    let (rate, inline) = (count as f64 / start.elapsed().as_secs_f64(), spool.pool_counts().1);
    println!(
        "{count} × 200 kB with their commits, {threads} at once: {rate:.0} files/s ({inline} so far not from the pool)"
    );
}

fn read_at_random(cache: &Cache, len: usize) {
    let file = cache.get(cache.key(FileId(1), &StreamHeader([1; 24]), Part::Whole), len as u64);
    let data = vec![7; 4 * MIB];
    let start = Instant::now();
    for at in 0..len / data.len() {
        assert!(file.write_blocks((at * data.len()) as u64, &data));
    }
    println!("cache: put 1 GiB in: {:.2} GB/s", gb_per_s(len, start));
    let mut buf = PageBuf::zeroed(MIB);
    let start = Instant::now();
    for at in 0..len / MIB {
        assert_eq!(file.read_at((at * MIB) as u64, &mut buf), CacheRead::Hit(MIB));
    }
    println!("cache: read 1 GiB, hot: {:.2} GB/s", gb_per_s(len, start));
    let start = Instant::now();
    for at in 0..20_000_usize {
        let offset = at * 7919 % (len / 4096) * 4096;
        assert_eq!(file.read_at(offset as u64, &mut buf[..4096]), CacheRead::Hit(4096));
    }
    println!("cache: read 4 KiB at random, hot: {:.1} µs", start.elapsed().as_secs_f64() * 1e6 / 20_000.0);
    drop_page_cache();
    let start = Instant::now();
    for at in 0..len / MIB {
        assert_eq!(file.read_at((at * MIB) as u64, &mut buf), CacheRead::Hit(MIB));
    }
    println!("cache: read 1 GiB, from the disk: {:.2} GB/s", gb_per_s(len, start));
}

fn on_the_disk_of(dir: &Path) {
    let dir = tempfile::tempdir_in(dir).expect("a directory that can be written");
    let device = Arc::new(DeviceKey::random());
    let spool = Spool::open(&dir.path().join("spool"), Arc::clone(&device), &SpoolOptions::default()).expect("a disk");
    let len = 1 << 30;
    for piece in [4 * KIB, 128 * KIB, MIB] {
        let id = write_large(&spool, len, piece);
        read_large(&spool, id, len, "hot");
        if piece == MIB {
            drop_page_cache();
            read_large(&spool, id, len, "from the disk");
        }
        spool.remove(id).expect("just written");
    }
    for threads in [1, 2, 4] {
        write_small(&spool, 2000, threads);
    }
    spool.close();
    let cache = Cache::open(&dir.path().join("cache"), device, 2 << 30).expect("a disk");
    read_at_random(&cache, len);
}

fn main() {
    match std::env::var_os("ENTEFS_BENCH_DIR") {
        Some(dir) => on_the_disk_of(Path::new(&dir)),
        None => {
            pure();
            Criterion::default().configure_from_args().final_summary();
        }
    }
}
