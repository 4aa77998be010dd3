//! A driver without a runtime. Its agent is a thread that follows a script. It is used in tests of the code
//! around drivers.

use isotare_core::{
    Base, Better, Capabilities, Dependence, Driver, IMAGE_SETTING, Isolation, PrepareContext, RuntimeInfo,
    Unavailable,
};
use isotare_core::{
    DriverError, Environment, Footprint, Image, Instance, InstanceContext, Invalid, JobOutput, MetricDef,
    Present, Sample, SettingDef, Settings, Workload, WorkloadInfo,
};
use isotare_host::now;
use isotare_protocol::{
    CommandJob, Exit, FrameBuffer, FromAgent, Hello, Job, JobResult, Observation, Observed, Repetition,
    Stream, ToAgent, Usage, encode, encode_hello,
};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What the instances of a fake environment do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Everything works; the work takes this many nanoseconds.
    Works(u64),
    /// Everything works; the work takes this many nanoseconds, and twice as many in every third instance.
    Varies(u64),
    /// Everything works, but its clock runs ten times as fast as the host's.
    Strays,
    /// `create` fails.
    CannotBeCreated,
    /// `start` panics, like a defective driver.
    PanicsAtStart,
    /// The agent never says hello.
    NeverReady,
    /// The agent closes the connection in the middle of the job.
    DiesAtWork,
    /// The agent never answers the job.
    HangsAtWork,
    /// The work ends with status 1.
    FailsWork,
    /// `delete` fails.
    CannotBeDeleted,
    /// It cannot show the host's userland. It finds this out after it has made a folder.
    RefusesHost,
    /// The work writes 3 MiB to standard output. A failure has a console of 1 MiB.
    Floods,
}

/// A driver that follows a script. It counts the instances that it made and deleted.
#[derive(Debug)]
pub struct FakeDriver {
    /// Its name.
    pub name: &'static str,
    /// What its instances do.
    pub script: Script,
    /// Instances made.
    pub created: AtomicU32,
    /// Instances deleted.
    pub deleted: AtomicU32,
    /// Calls in order, as `create`, `start`, ….
    pub calls: Mutex<Vec<&'static str>>,
}

impl FakeDriver {
    /// A driver with this script.
    pub const fn new(name: &'static str, script: Script) -> Self {
        Self {
            name,
            script,
            created: AtomicU32::new(0),
            deleted: AtomicU32::new(0),
            calls: Mutex::new(Vec::new()),
        }
    }

    fn called(&self, what: &'static str) {
        if let Ok(mut calls) = self.calls.lock() {
            calls.push(what);
        }
    }
}

impl Driver for &'static FakeDriver {
    fn name(&self) -> &'static str {
        self.name
    }
    fn summary(&self) -> &'static str {
        "follows a script"
    }
    fn settings(&self) -> &'static [SettingDef] {
        match self.script {
            Script::RefusesHost => &[IMAGE_SETTING],
            _ => &[],
        }
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            own_kernel: true,
            host_files: true,
            rootless: true,
            pause: false,
            ..Capabilities::default()
        }
    }

    fn isolation(&self) -> Isolation {
        Isolation { kernel: "none", system_calls: "none", root: "nobody", sources: &[] }
    }
    fn probe(&self, _: &Settings, _: &PrepareContext<'_>) -> Result<RuntimeInfo, Unavailable> {
        Ok(RuntimeInfo { version: "1".to_owned(), details: BTreeMap::new() })
    }
    fn prepare(
        &self,
        _: &Settings,
        image: &Image,
        cx: &PrepareContext<'_>,
    ) -> Result<Box<dyn Environment>, DriverError> {
        if self.script == Script::RefusesHost {
            std::fs::create_dir(cx.work.join("made"))
                .map_err(|error| DriverError::failed("make folder", "made", error))?;
            if image.base == Base::Host {
                return Err(Unavailable::new("the script says so", "choose another image").into());
            }
        }
        Ok(Box::new(FakeEnvironment(self)))
    }
}

struct FakeEnvironment(&'static FakeDriver);

impl Environment for FakeEnvironment {
    fn create(&self, cx: &InstanceContext<'_>) -> Result<Box<dyn Instance>, DriverError> {
        self.0.called("create");
        if self.0.script == Script::CannotBeCreated {
            return Err(DriverError::failed("create", cx.instance, "the script says so"));
        }
        self.0.created.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(FakeInstance { driver: self.0, stream: None, held: None }))
    }
    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("fake".to_owned(), "yes".to_owned())])
    }
}

struct FakeInstance {
    driver: &'static FakeDriver,
    stream: Option<UnixStream>,
    held: Option<UnixStream>,
}

impl Instance for FakeInstance {
    fn start(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.driver.called("start");
        assert!(self.driver.script != Script::PanicsAtStart, "the script says so");
        let (ours, theirs) = UnixStream::pair().map_err(|e| DriverError::failed("start", cx.instance, e))?;
        self.stream = Some(ours);
        if self.driver.script == Script::NeverReady {
            self.held = Some(theirs);
        } else {
            let (script, turn) = (self.driver.script, self.driver.created.load(Ordering::SeqCst));
            std::thread::spawn(move || agent(theirs, script, turn));
        }
        Ok(())
    }
    fn wait_ready(&mut self, cx: &InstanceContext<'_>) -> Result<UnixStream, DriverError> {
        self.driver.called("ready");
        self.stream.take().ok_or_else(|| DriverError::failed("wait for", cx.instance, "not started"))
    }
    fn footprint(&self) -> Footprint {
        Footprint::default()
    }
    fn stop(&mut self, _: Duration, _: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.driver.called("stop");
        Ok(())
    }
    fn delete(&mut self, cx: &InstanceContext<'_>) -> Result<(), DriverError> {
        self.driver.called("delete");
        self.driver.deleted.fetch_add(1, Ordering::SeqCst);
        match self.driver.script {
            Script::CannotBeDeleted => Err(DriverError::failed("delete", cx.instance, "the script says so")),
            _ => Ok(()),
        }
    }
    fn diagnostics(&self) -> String {
        match self.driver.script {
            Script::Floods => "first\n".to_owned() + &"a line\n".repeat(150_000) + "last\n",
            _ => "the fake's console".to_owned(),
        }
    }
}

/// The agent of instance number `turn`. Any error ends it, like a closed connection.
fn agent(mut stream: UnixStream, script: Script, turn: u32) -> Option<()> {
    let hello = Hello { agent_version: "fake".to_owned(), pid: 1, clock_ns: 0, started_ns: 0 };
    stream.write_all(&encode_hello(&hello).ok()?).ok()?;
    let mut buffer = FrameBuffer::default();
    let started = now();
    loop {
        while let Some(message) = buffer.next_message::<ToAgent>().ok()? {
            let speed = if script == Script::Strays { 10 } else { 1 };
            let clock_ns = speed * now().0.saturating_sub(started.0);
            let answers = match (message, script) {
                (ToAgent::Welcome(_) | ToAgent::Signal(_), _) => vec![],
                (ToAgent::Ping, _) => vec![FromAgent::Pong { clock_ns }],
                (ToAgent::Facts, _) => {
                    vec![FromAgent::Facts(BTreeMap::from([("cpus".to_owned(), "1".to_owned())]))]
                }
                (ToAgent::Hash { files }, _) => {
                    vec![FromAgent::Hashes(files.into_iter().map(Some).collect())]
                }
                (ToAgent::Serve { id, .. }, _) => vec![FromAgent::ServiceReady { id }],
                (ToAgent::StopService { .. }, _) => vec![],
                (ToAgent::PowerOff, _) | (ToAgent::Run { .. }, Script::DiesAtWork) => return None,
                (ToAgent::Run { .. }, Script::HangsAtWork) => vec![FromAgent::Measuring],
                (ToAgent::Run { observe_ms, .. }, script) => work(script, turn, observe_ms.is_some()),
            };
            for answer in answers {
                stream.write_all(&encode(&answer).ok()?).ok()?;
            }
        }
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).ok().filter(|&length| length > 0)?;
        buffer.feed(&chunk[..length]);
    }
}

fn work(script: Script, turn: u32, is_observed: bool) -> Vec<FromAgent> {
    let wall_ns = match script {
        Script::Works(nanos) => nanos,
        Script::Varies(nanos) if turn.is_multiple_of(3) => 2 * nanos,
        Script::Varies(nanos) => nanos,
        _ => 1,
    };
    let exit = Exit::Code(i32::from(script == Script::FailsWork));
    let runs = vec![Usage { wall_ns, ..Usage::default() }];
    let observed = Box::new(Observed {
        readings: vec![Observation::default(); usize::from(is_observed)],
        counters: vec![("major_faults".to_owned(), 3.0); usize::from(is_observed)],
    });
    let pieces = match script {
        Script::Floods => vec![vec![b'x'; 1 << 20]; 3],
        _ => vec![b"out".to_vec()],
    };
    let output = pieces.into_iter().map(|data| FromAgent::Output { stream: Stream::Stdout, data });
    output
        .chain([
            FromAgent::Measuring,
            FromAgent::Measured,
            FromAgent::Finished { result: JobResult::Command { exit, runs }, observed },
        ])
        .collect()
}

/// A workload that reports its wall time.
#[derive(Debug, Default)]
pub struct FakeWorkload {
    /// The number of bytes of output that its decoder needs.
    pub output_needed: usize,
}

impl Workload for FakeWorkload {
    fn name(&self) -> &'static str {
        "fake"
    }
    fn summary(&self) -> &'static str {
        "reports its wall time"
    }
    fn settings(&self) -> &[SettingDef] {
        &[]
    }
    fn metrics(&self) -> Vec<MetricDef> {
        vec![MetricDef::headline("wall", "s", Better::Lower)]
    }
    fn image(&self, _: &Settings, _: Present<'_>) -> Result<Image, String> {
        Ok(Image::default())
    }
    fn info(&self, _: &Settings) -> WorkloadInfo {
        WorkloadInfo { depends_on: [Dependence::Programs].into(), ..WorkloadInfo::default() }
    }
    fn job(&self, _: &Settings) -> Result<Job, String> {
        Ok(Job::Command(CommandJob {
            argv: vec!["fake".to_owned()],
            env: Vec::new(),
            directory: None,
            stdin: Vec::new(),
            repetition: Repetition::Once,
        }))
    }
    fn output_needed(&self) -> usize {
        self.output_needed
    }
    fn decode(&self, output: &JobOutput, _: &Settings) -> Result<Vec<Sample>, Invalid> {
        match &output.result {
            JobResult::Command { exit, runs } if exit.is_success() && runs.len() == 1 => {
                Ok(vec![Sample::of_workload(self.metrics().remove(0), runs[0].wall_ns as f64 / 1e9)])
            }
            other => Err(Invalid(format!("{other:?}"))),
        }
    }
}
