//! What can be seen of the process that asks: whether it is being ended by a signal, so that what it wrote is cut off
//! (semantics 2.3), and what it is (5.6).

use std::fs;

/// The kernel's mark of a task on its way out.
const PF_EXITING: u64 = 0x4;

/// Its program and arguments, a zero byte after each; empty where it cannot be looked at. By the command line, not by
/// the name of the task: what asks may be any thread of a program.
pub(super) fn command_line(pid: u32) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// Whether the task is on its way out: its memory is gone by the time its files are closed. Never waits, unlike a look
/// at its `stat`: of a process within `execve` that waits until its close-on-exec files are closed, which waits for the
/// answer to this very flush.
pub(super) fn is_ending(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/statm")).is_ok_and(|pages| pages.starts_with(b"0 "))
}

/// True where the task is exiting because of a signal. A task that cannot be looked at is not. May wait for whatever the
/// task itself waits for: to be asked of one that [`is_ending`], and where that holds up nobody else.
pub(super) fn is_killed(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| says_killed(&stat))
}

/// proc(5): field 9 are the flags, field 52 the exit code as `waitpid` would give it. The second field is the
/// program's name in parentheses and may hold anything.
fn says_killed(stat: &str) -> bool {
    let Some((_, fields)) = stat.rsplit_once(')') else { return false };
    let field = |n: usize| fields.split_ascii_whitespace().nth(n - 3).and_then(|text| text.parse::<u64>().ok());
    let exiting = field(9).is_some_and(|flags| flags & PF_EXITING != 0);
    exiting && field(52).is_some_and(|code| code & 0x7f != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(flags: u64, exit_code: u64) -> String {
        let mut fields = vec!["0".to_owned(); 50];
        (fields[0], fields[6], fields[49]) = ("R".into(), flags.to_string(), exit_code.to_string());
        format!("17 (a) b) {}\n", fields.join(" "))
    }

    #[test]
    fn a_signal_and_not_an_exit_code_means_killed() {
        assert!(says_killed(&stat(0x400_104, 9)));
        assert!(says_killed(&stat(0x4, 0x80 | 11)));
        assert!(!says_killed(&stat(0x4, 1 << 8)), "exit(1)");
        assert!(!says_killed(&stat(0x4, 0)), "exit(0)");
        assert!(!says_killed(&stat(0, 9)), "alive");
        assert!(!says_killed("") && !says_killed("1 (x"));
    }

    #[test]
    fn a_live_process_is_not_killed() {
        assert!(!is_ending(std::process::id()) && !is_killed(std::process::id()));
        assert!(!is_ending(u32::MAX) && !is_killed(u32::MAX));
    }
}
