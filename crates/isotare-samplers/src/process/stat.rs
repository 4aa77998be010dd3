//! Parses the files of one process.

use super::counts::{Counter, Counts};

/// What `/proc/PID/stat` or `/proc/PID/task/TID/stat` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Parent process.
    pub parent: u32,
    /// Whether it has ended, but nobody has waited for it.
    pub ended: bool,
    /// Threads.
    pub threads: u64,
    /// Start, ticks since boot: with the id, the identity.
    pub start: u64,
    /// Bytes of its address space.
    pub address_space: u64,
    /// Resident pages.
    pub rss_pages: u64,
    /// The CPU on which it ran last.
    pub cpu: u64,
    /// Ticks for which it waited for block I/O and swap (0 where the kernel keeps no delay accounting).
    pub io_delay: u64,
    /// Its own CPU time and faults.
    pub own: Counts,
    /// Those of children that it waited for.
    pub reaped: Counts,
}

impl Stat {
    /// Field numbers are those of proc_pid_stat(5). The name, field 2, may hold blanks and parentheses.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let close = text.iter().rposition(|&byte| byte == b')')?;
        let mut stat = Stat::default();
        let mut last = 0;
        for (word, field) in text.get(close + 2..)?.split(|&byte| byte == b' ').zip(3u32..) {
            last = field;
            let counter = match field {
                3 => {
                    stat.ended = matches!(word, b"Z" | b"X" | b"x");
                    continue;
                }
                4 => {
                    stat.parent = u32::try_from(number(word)?).ok()?;
                    continue;
                }
                10 => &mut stat.own[Counter::Minor],
                11 => &mut stat.reaped[Counter::Minor],
                12 => &mut stat.own[Counter::Major],
                13 => &mut stat.reaped[Counter::Major],
                14 => &mut stat.own[Counter::User],
                15 => &mut stat.own[Counter::System],
                16 => &mut stat.reaped[Counter::User],
                17 => &mut stat.reaped[Counter::System],
                20 => &mut stat.threads,
                22 => &mut stat.start,
                23 => &mut stat.address_space,
                24 => &mut stat.rss_pages,
                39 => &mut stat.cpu,
                42 => &mut stat.io_delay,
                43 => &mut stat.own[Counter::Guest],
                44 => &mut stat.reaped[Counter::Guest],
                45.. => break,
                _ => continue,
            };
            *counter = number(word)?;
        }
        (last >= 24).then_some(stat)
    }
}

/// The name in `stat`, between the first and the last parenthesis.
pub(crate) fn name(text: &[u8]) -> Option<&[u8]> {
    let open = text.iter().position(|&byte| byte == b'(')?;
    let close = text.iter().rposition(|&byte| byte == b')')?;
    text.get(open + 1..close)
}

/// Read and written bytes of `/proc/PID/io`, and those of the written ones that were dropped before they
/// reached storage; those of children that were waited for are in them.
pub(crate) fn io(text: &[u8]) -> Option<Counts> {
    let mut counts = Counts::default();
    counts[Counter::Read] = keyed(text, b"read_bytes:")?;
    counts[Counter::Write] = keyed(text, b"write_bytes:")?;
    counts[Counter::Cancelled] = keyed(text, b"cancelled_write_bytes:")?;
    Some(counts)
}

/// The real user of `/proc/PID/status`.
pub(crate) fn user(text: &[u8]) -> Option<u64> {
    keyed(text, b"Uid:")
}

/// Voluntary and involuntary switches of `/proc/PID/task/TID/status`: of that thread alone.
pub(crate) fn switches(text: &[u8]) -> Option<(u64, u64)> {
    // They are the last lines; the ones before are many.
    let from = text.len().saturating_sub(160);
    let tail = text.get(from..)?;
    Some((keyed(tail, b"voluntary_ctxt_switches:")?, keyed(tail, b"nonvoluntary_ctxt_switches:")?))
}

/// `/proc/PID/task/TID/schedstat`: time on a CPU and on a run queue, ns, of that thread alone.
pub(crate) fn schedstat(text: &[u8]) -> Option<(u64, u64)> {
    let mut words = text.split(|&byte| byte == b' ');
    Some((number(words.next()?)?, number(words.next()?)?))
}

/// Run delay of `/proc/PID/task/TID/schedstat`, ns: of that thread alone.
pub(crate) fn run_delay(text: &[u8]) -> Option<u64> {
    number(text.split(|&byte| byte == b' ').nth(1)?)
}

/// Proportional share of memory of `/proc/PID/smaps_rollup`, bytes.
pub(crate) fn pss(text: &[u8]) -> Option<u64> {
    keyed(text, b"Pss:").map(|kib| kib * 1024)
}

/// Process ids separated by blanks, as in `children`.
pub(crate) fn pids(text: &[u8]) -> impl Iterator<Item = u32> + '_ {
    text.split(|byte| byte.is_ascii_whitespace()).filter_map(|word| u32::try_from(number(word)?).ok())
}

/// The number after a key at the beginning of a line.
pub(crate) fn keyed(text: &[u8], key: &[u8]) -> Option<u64> {
    let rest = text.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(key))?;
    number(rest.trim_ascii().split(u8::is_ascii_whitespace).next()?)
}

fn number(word: &[u8]) -> Option<u64> {
    let word = word.trim_ascii();
    let digit = |value: u64, &byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    };
    (!word.is_empty()).then(|| word.iter().try_fold(0, digit))?
}

#[cfg(test)]
mod tests {
    use super::*;

    // From `cat /proc/self/stat` on Linux 6.18, with another name and other counters.
    const STAT: &[u8] = b"584 (a) (b c) S 559 559 23430 0 -1 4194304 102 7 3 2 11 12 13 14 20 0 4 0 143232 3133440 409 \
18446744073709551615 94774958465024 94774958484905 140721830526416 0 0 0 0 0 0 0 0 0 17 0 0 0 5 6 9 94774958500912 0 0 0 0 0 0 0\n";

    #[test]
    fn stat_is_read_after_a_process_name_with_any_characters() {
        let stat = Stat::parse(STAT).expect("well-formed");
        assert_eq!((stat.parent, stat.threads, stat.start, stat.rss_pages), (559, 4, 143_232, 409));
        let values = |counts: Counts| {
            [Counter::User, Counter::System, Counter::Guest, Counter::Minor, Counter::Major]
                .map(|c| counts[c])
        };
        assert_eq!(values(stat.own), [11, 12, 6, 102, 3]);
        assert_eq!(values(stat.reaped), [13, 14, 9, 7, 2]);
        assert_eq!((stat.address_space, stat.cpu, stat.io_delay), (3_133_440, 0, 5));
        assert_eq!(name(STAT), Some(&b"a) (b c"[..]));
        assert!(!stat.ended);
        assert_eq!(Stat::parse(b"1 (x) Z 1 2"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn the_other_files_are_read() {
        let io_counts = io(b"rchar: 6976\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n");
        let io_counts = io_counts.expect("well-formed");
        assert_eq!([Counter::Read, Counter::Write, Counter::Cancelled].map(|c| io_counts[c]), [5, 6, 7]);
        let status =
            b"Mems_allowed_list:\t0\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
        assert_eq!(switches(status), Some((150, 545)));
        assert_eq!(run_delay(b"0 35862 1\n"), Some(35_862));
        assert_eq!(schedstat(b"7 35862 1\n"), Some((7, 35_862)));
        assert_eq!(user(b"Name:\tx\nUid:\t1000\t0\t0\t0\n"), Some(1000));
        assert_eq!(
            pss(b"0-1 ---p 0 00:00 0 [rollup]\nRss:  9 kB\nPss:  884 kB\nPss_Dirty: 1 kB\n"),
            Some(884 << 10)
        );
        assert_eq!(pids(b"12 345 \n").collect::<Vec<_>>(), [12, 345]);
        assert_eq!((io(b""), switches(b"x"), run_delay(b"1"), pss(b"")), (None, None, None, None));
    }
}
