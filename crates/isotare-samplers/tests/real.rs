//! Tests of samplers with processes of this machine.

use isotare_cgroup::Hierarchies;
use isotare_core::{CpuSet, Footprint, Member, Reading, Role, Sample, Sampler, SamplerError, Timestamp};
use isotare_samplers::{Collector, Samplers, find, meters, summarise};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

fn clock() -> Timestamp {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = START.get_or_init(Instant::now).elapsed();
    Timestamp(u64::try_from(since.as_nanos()).expect("a short test"))
}

/// A shell that waits for a command, runs `script`, reports this and waits until it is told to end.
struct Shell(Child);

impl Shell {
    fn new(script: &str) -> Self {
        let script = format!("read go; {script}; echo done; read end");
        let child = Command::new("bash")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash");
        Self(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn member(&self, role: Role) -> Member {
        Member::new(role, self.pid())
    }

    fn footprint(&self) -> Footprint {
        Footprint { members: vec![self.member(Role::Workload)], cgroup: None }
    }

    fn go(&self) {
        self.0.stdin.as_ref().expect("piped").write_all(b"go\n").expect("go");
    }

    fn work(&mut self) {
        self.go();
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().expect("piped")).read_line(&mut line).expect("done");
        assert_eq!(line, "done\n");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A script for bash that uses this much CPU time, according to its own counters.
fn burn(milliseconds: u32) -> String {
    // Fields 14 and 15 of `stat` are in ticks of 10 ms.
    format!(
        "burn() {{ while :; do for i in {{1..500}}; do :; done; read -r l < /proc/$BASHPID/stat; l=${{l##*) }}; set -- $l; \
         [ $(( (${{12}} + ${{13}}) * 10 )) -ge {milliseconds} ] && return; done; }}; burn"
    )
}

fn value(samples: &[Sample], metric: &str, role: Option<Role>) -> Option<f64> {
    samples
        .iter()
        .find(|sample| sample.metric.name == metric && sample.role == role)
        .map(|sample| sample.value)
}

fn cpu(samples: &[Sample], role: Option<Role>) -> f64 {
    let part = |metric| value(samples, metric, role).expect(metric);
    part("cpu_user") + part("cpu_system")
}

/// The first CPU that this process may use.
fn first_cpu() -> CpuSet {
    CpuSet::new([0]).expect("not empty")
}

fn begun(footprint: Footprint, rate: f64, samplers: impl Into<Samplers>) -> Collector {
    let collector = Collector::prepare(footprint, rate, samplers, &first_cpu(), clock);
    collector.begin();
    collector
}

fn measure(footprint: Footprint, rate: f64, names: &[&str], work: impl FnOnce()) -> Vec<Sample> {
    let samplers = Samplers::open(names, &first_cpu()).expect("samplers");
    let collector = begun(footprint, rate, samplers);
    work();
    let (readings, errors) = collector.finish();
    assert!(errors.is_empty(), "{errors:?}");
    summarise(&readings, &meters())
}

const W: Option<Role> = Some(Role::Workload);

#[test]
fn a_busy_child_is_seen_by_the_process_and_cgroup_samplers() {
    // Waiting for the sleeping process causes at least one context switch.
    let mut shell = Shell::new(&format!("sleep 0.02; {}", burn(300)));
    let path = format!("isotare-samplers-test-{}", std::process::id());
    let hierarchies = Hierarchies::discover().ok().filter(|all| all.writable(&path).is_ok());
    let mut footprint = shell.footprint();
    if let Some(hierarchies) = &hierarchies {
        hierarchies.create(&path, None).and_then(|group| group.add(shell.pid())).expect("join");
        footprint.cgroup = Some(path.clone());
    }
    let samples = measure(footprint, 20.0, &["process", "cgroup", "host"], || shell.work());
    if let Some(hierarchies) = &hierarchies {
        hierarchies.remove_tree(&path).expect("remove");
        let cpu = value(&samples, "cgroup_cpu", None).expect("counted");
        assert!((0.2..0.4).contains(&cpu), "{cpu}");
    }
    let cpu = cpu(&samples, W);
    assert!((0.2..0.4).contains(&cpu), "{cpu}");
    assert!(value(&samples, "rss", W).expect("rss") > 1e6, "{samples:?}");
    assert!(value(&samples, "pss", W).expect("pss at the end") > 1e5, "{samples:?}");
    assert!(value(&samples, "voluntary_switches", W).is_some_and(|n| n >= 1.0), "{samples:?}");
    assert!(value(&samples, "host_cpu_total", None).is_some_and(|s| s > 0.2), "{samples:?}");
}

#[test]
fn short_lived_grandchildren_are_not_lost() {
    // Each grandchild uses 40 ms and ends before the next reading.
    for rate in [0.0, 5.0, 200.0] {
        let script = format!("for n in 1 2 3 4 5 6; do ( ( {} ); : ); done", burn(40));
        let mut shell = Shell::new(&script);
        let samples = measure(shell.footprint(), rate, &["process"], || shell.work());
        let cpu = cpu(&samples, W);
        assert!((0.2..0.45).contains(&cpu), "{cpu} at {rate} Hz");
    }
}

#[test]
fn a_member_that_ends_keeps_its_cpu_in_its_own_role() {
    // The shell (shim) waits for a child (workload) that uses CPU time and ends within the window.
    let mut shell = Shell::new(&format!("( read go < /dev/null; sleep 0.3; {} )", burn(200)));
    shell.go();
    let children = format!("/proc/{0}/task/{0}/children", shell.pid());
    let deadline = Instant::now() + Duration::from_secs(5);
    let child = loop {
        if let Some(pid) = std::fs::read_to_string(&children).ok().and_then(|text| text.trim().parse().ok()) {
            break pid;
        }
        assert!(Instant::now() < deadline, "no child");
    };
    let workload = Member { pid: child, ..shell.member(Role::Workload) };
    let footprint = Footprint { members: vec![workload, shell.member(Role::Shim)], cgroup: None };
    let samples = measure(footprint, 50.0, &["process"], || {
        let mut line = String::new();
        BufReader::new(shell.0.stdout.as_mut().expect("piped")).read_line(&mut line).expect("done");
    });
    let (workload, shim) = (cpu(&samples, W), cpu(&samples, Some(Role::Shim)));
    assert!((0.12..0.35).contains(&workload), "{workload}");
    assert!(shim < 0.1, "{shim}");
    let both = cpu(&samples, None);
    assert!((both - workload - shim).abs() < 1e-6, "{both}");
}

#[test]
fn threads_with_a_role_of_their_own_are_split_off() {
    let burner = std::thread::Builder::new().name("CPU 0/TCG".to_owned()).spawn(|| {
        let threads = &[("CPU ", Role::Vcpu)];
        let member = Member { threads, ..Member::shared(Role::Vmm, std::process::id()) };
        let footprint = Footprint { members: vec![member], cgroup: None };
        measure(footprint, 20.0, &["process"], || {
            let start = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            let spent = || {
                let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
                (now.tv_sec - start.tv_sec) as f64 + (now.tv_nsec - start.tv_nsec) as f64 / 1e9
            };
            while spent() < 0.3 {
                std::hint::black_box(0);
            }
        })
    });
    let samples = burner.expect("starts").join().expect("no panic");
    let vcpu = Some(Role::Vcpu);
    let of_role = cpu(&samples, vcpu);
    assert!((0.25..0.35).contains(&of_role), "{of_role}");
    assert!(value(&samples, "rss", vcpu).is_some_and(|bytes| bytes == 0.0), "memory stays with the process");
    let of_thread = value(&samples, "thread_cpu[CPU 0/TCG]", vcpu).expect("read");
    assert!((of_thread - of_role).abs() < 1e-9, "{of_thread}");
}

#[test]
fn readings_follow_the_rate_and_expensive_ones_are_taken_at_begin_and_end() {
    const RATE: f64 = 20.0;
    let (read, reads) = std::sync::mpsc::channel();
    let mut samplers = Samplers::open(&["process"], &first_cpu()).expect("process");
    samplers.list.push(Box::new(Counted(read)));
    let mut shell = Shell::new("sleep 0.1");
    let asked = Instant::now();
    let collector = begun(shell.footprint(), RATE, samplers);
    shell.work();
    // Waits for this number of readings, however long they take.
    reads.iter().take(6).for_each(drop);
    let (readings, _) = collector.finish();
    let most = asked.elapsed().as_secs_f64() * RATE + 2.0;
    let moments = readings.iter().filter(|r| r.metric == "cpu_user").count();
    assert!(moments >= 6 && moments as f64 <= most, "{moments} of at most {most}");
    let dear = readings.iter().filter(|r| r.metric == "run_delay").count();
    assert_eq!(dear, 2, "the first and the last");
}

#[test]
fn finishing_does_not_wait_for_the_next_reading() {
    let mut shell = Shell::new("sleep 0.1");
    let samplers = Samplers::open(&["process"], &first_cpu()).expect("process");
    let collector = begun(shell.footprint(), 1.0 / 600.0, samplers);
    shell.work();
    // Otherwise it would wait for ten minutes.
    let (readings, _) = collector.finish();
    assert_eq!(readings.iter().filter(|r| r.metric == "cpu_user").count(), 2);
}

/// Reports each of its readings.
struct Counted(std::sync::mpsc::Sender<()>);

impl Sampler for Counted {
    fn read(&mut self, _: &Footprint, _: Timestamp, _: &mut Vec<Reading>) -> Result<(), SamplerError> {
        // The receiver may have ended.
        let _unheard = self.0.send(());
        Ok(())
    }
}

#[test]
fn errors_are_reported_once_and_sampling_continues() {
    struct Broken(u32);
    impl Sampler for Broken {
        fn read(&mut self, _: &Footprint, at: Timestamp, out: &mut Vec<Reading>) -> Result<(), SamplerError> {
            self.0 += 1;
            out.push(Reading { at, metric: "n".into(), role: None, value: self.0.into() });
            Err(SamplerError { subject: "it".to_owned(), source: "is broken".into() })
        }
    }
    let list: Vec<Box<dyn Sampler>> = vec![Box::new(Broken(0))];
    let (readings, errors) = begun(Footprint::default(), 0.0, list).finish();
    assert_eq!((readings.len(), errors.len()), (2, 1));
    let gone = Footprint {
        members: vec![Member::new(Role::Shim, 0)],
        cgroup: Some("isotare-no-such-group".to_owned()),
    };
    for name in ["process", "cgroup"] {
        let Ok(sampler) = (find(name).expect(name).open)(&first_cpu(), &Default::default()) else { continue };
        let (readings, errors) = begun(gone.clone(), 0.0, vec![sampler]).finish();
        assert!(readings.is_empty() && errors.len() == 1, "{name}: {errors:?}");
    }
}

#[test]
fn without_a_begin_there_are_no_readings_and_measured_cpus_are_avoided() {
    let measured = first_cpu();
    let prepare =
        |list: Vec<Box<dyn Sampler>>| Collector::prepare(Footprint::default(), 0.0, list, &measured, clock);
    let (readings, errors) = prepare(vec![Box::new(Where)]).finish();
    assert!(readings.is_empty() && errors.is_empty());
    let collector = prepare(vec![Box::new(Where)]);
    collector.begin();
    let (readings, _) = collector.finish();
    let allowed = rustix::thread::sched_getaffinity(None).expect("affinity");
    let has_no_other = allowed.is_set(0) && allowed.count() == 1;
    let on_measured = readings.iter().any(|reading| reading.value != 0.0);
    assert_eq!((readings.len(), on_measured), (2, has_no_other));
}

/// Reports whether its thread may use the first CPU.
struct Where;

impl Sampler for Where {
    fn read(&mut self, _: &Footprint, at: Timestamp, out: &mut Vec<Reading>) -> Result<(), SamplerError> {
        let allowed = rustix::thread::sched_getaffinity(None).expect("affinity");
        let value = f64::from(u8::from(allowed.is_set(0)));
        out.push(Reading { at, metric: "first".into(), role: None, value });
        Ok(())
    }
}

#[test]
fn the_time_of_the_host_includes_its_kernel_and_busy_processes() {
    let mut shell = Shell::new(&burn(300));
    let began = Instant::now();
    let samples = measure(shell.footprint(), 0.0, &["process", "host"], || shell.work());
    let host = value(&samples, "host_run_time", None).expect("read");
    let online = std::fs::read_to_string("/proc/stat").expect("readable").matches("\ncpu").count();
    let all = began.elapsed().as_secs_f64() * online as f64;
    let kernel = value(&samples, "host_kernel_threads", None);
    assert!(cpu(&samples, W) + kernel.unwrap_or(0.0) <= host + 0.05, "{host} {kernel:?}");
    assert!(host <= all + 0.1, "{host} of {all}");
    let is_host = std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n");
    assert_eq!(kernel.is_some(), is_host);
}

#[test]
fn each_processor_counter_has_a_value_or_a_reason() {
    let facts: std::collections::BTreeMap<_, _> = isotare_samplers::counter_facts().into_iter().collect();
    assert!(facts.values().all(|told| told == "counted" || told.starts_with("not counted: ")), "{facts:?}");
    let mut shell = Shell::new(&burn(100));
    let Ok(samplers) = Samplers::open(&["perf"], &first_cpu()) else {
        let processors = facts.iter().filter(|(name, _)| *name != "counter.kvm_exits");
        return assert!(processors.into_iter().all(|(_, told)| told != "counted"), "{facts:?}");
    };
    let collector = begun(shell.footprint(), 0.0, samplers);
    shell.work();
    let (readings, errors) = collector.finish();
    assert!(errors.is_empty(), "{errors:?}");
    let samples = summarise(&readings, &meters());
    for name in ["cycles", "instructions", "cache_misses", "tlb_misses"] {
        let told = value(&samples, &format!("perf_{name}"), None);
        assert_eq!(told.is_some(), facts[&format!("counter.{name}")] == "counted", "{name}: {told:?}");
    }
}
