//! Finds the cgroup hierarchies in the mount table. It reads only two files of `/proc/self`.
//!
//! Format of mountinfo: proc_pid_mountinfo(5). Format of `/proc/self/cgroup`: cgroups(7).

use std::path::{Path, PathBuf};

/// The version 1 controllers that budgets and readings need.
pub(crate) const NEEDED: [&str; 12] = [
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "pids",
    "blkio",
    "freezer",
    "devices",
    "hugetlb",
    "net_cls",
    "net_prio",
    "perf_event",
];

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// Which group of the hierarchy is mounted there (not `/` in some containers).
    pub root: String,
    /// Its version 1 controllers of interest, none for a named hierarchy; `None`: version 2.
    pub controllers: Option<Vec<String>>,
}

/// Hierarchies in a mount table. Of a controller mounted twice, the first.
pub(crate) fn mounts(mountinfo: &str) -> Vec<Mount> {
    let mut found: Vec<Mount> = Vec::new();
    for mount in mountinfo.lines().filter_map(mount) {
        let named = mount.controllers.as_ref().is_some_and(Vec::is_empty);
        let repeated = !named && found.iter().any(|known| known.controllers == mount.controllers);
        if !repeated {
            found.push(mount);
        }
    }
    found
}

fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (root, point) = (unescape(before.next()?), PathBuf::from(unescape(before.next()?)));
    let mut after = after.split(' ');
    match after.next()? {
        "cgroup2" => Some(Mount { point, root, controllers: None }),
        "cgroup" => {
            let options = after.nth(1)?.split(',');
            let controllers: Vec<String> =
                options.filter(|option| NEEDED.contains(option)).map(str::to_owned).collect();
            Some(Mount { point, root, controllers: Some(controllers) })
        }
        _ => None,
    }
}

/// Undoes the octal escapes of blanks in mount tables.
fn unescape(text: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

/// The version 2 group of a process as a path relative to what is mounted at `root`; `None` if it lies
/// outside.
pub(crate) fn own_v2_group(proc_cgroup: &str, root: &str) -> Option<PathBuf> {
    let path = proc_cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let below = Path::new(path).strip_prefix(root).ok()?;
    let inside = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    inside.then(|| below.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    // From a Debian 12 virtual machine with Linux 6.18. Its init mounts each controller of version 1
    // separately.
    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn each_hierarchy_is_listed_once() {
        let found = mounts(&format!(
            "{HYBRID}50 31 0:29 / /mnt/a\\040b rw - cgroup cgroup rw,cpu\n\
             51 31 0:40 / /x rw shared:3 - cgroup cgroup rw,cpuacct,cpuset\n"
        ));
        let points: Vec<_> = found.iter().map(|mount| mount.point.to_str().expect("UTF-8")).collect();
        assert_eq!(
            points,
            [
                "/sys/fs/cgroup/cpu",
                "/sys/fs/cgroup/devices",
                "/sys/fs/cgroup/systemd",
                "/sys/fs/cgroup/unified",
                "/x",
            ]
        );
        assert_eq!(found[4].controllers.as_deref(), Some(&["cpuacct".to_owned(), "cpuset".to_owned()][..]));
        assert_eq!(unescape("/mnt/a\\040b"), "/mnt/a b");
    }

    #[test]
    fn own_group_is_below_the_mounted_one() {
        let scope = "0::/user.slice/user-1000.slice/session-1.scope\n";
        let expect = PathBuf::from("user.slice/user-1000.slice/session-1.scope");
        assert_eq!(own_v2_group(scope, "/"), Some(expect));
        assert_eq!(own_v2_group("1:cpu:/a\n0::/docker/abc/x\n", "/docker/abc"), Some(PathBuf::from("x")));
        assert_eq!(own_v2_group("0::/elsewhere\n", "/docker/abc"), None);
        assert_eq!(own_v2_group("0::/../other\n", "/"), None);
        assert_eq!(own_v2_group("1:cpu:/a\n", "/"), None);
    }
}
