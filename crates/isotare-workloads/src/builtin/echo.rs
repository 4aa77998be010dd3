//! `tcp-echo`: a server in the environment under test, and a load generator at the other end of a segment.

use super::report::{self, EVENTS_PER_SECOND, invalid};
use super::schedule::{self, EVENTS, INTERVAL, TIME, WARMUP};
use isotare_core::{
    Better, EnvironmentSpec, Image, Invalid, JobOutput, Kind as SettingKind, MetricDef, Part, Place,
    PlayError, Present, Sample, Scenario, SettingDef, Settings, Stage, Workload, WorkloadInfo,
};
use isotare_protocol::{EchoJob, Job, Kind, Served, Service};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The way of a message from one instance to another and back.
pub struct TcpEcho;

/// The part under test.
const SERVER: &str = "server";
/// The part that sends.
const LOAD: &str = "load";
/// The server's port.
const PORT: u16 = 7007;
/// How long the server may take to listen, ms.
const PATIENCE_MS: u64 = 10_000;

const SETTINGS: &[SettingDef] = &[
    SettingDef {
        key: "size",
        kind: SettingKind::Size,
        default: Some("64"),
        help: "bytes of a message, which is sent and received back in each event",
    },
    SettingDef {
        key: "connections",
        kind: SettingKind::Integer { min: 1, max: 4096 },
        default: Some("1"),
        help: "TCP connections, each with a thread of the load generator",
    },
    SettingDef {
        key: "rate",
        kind: SettingKind::Number,
        default: None,
        help: "messages per second, evenly spaced (open loop: the latency of a message begins when it was \
               intended to be sent); default: each connection sends the next message when the answer has \
               come (closed loop)",
    },
    SettingDef {
        key: "load",
        kind: SettingKind::Choice(&["native", "same"]),
        default: Some("native"),
        help: "where the load generator runs: native, on the host in every condition, or same, in a second \
               instance of the environment",
    },
    TIME,
    EVENTS,
    WARMUP,
    INTERVAL,
];

/// The load generator's job, for a server at this address.
fn load(settings: &Settings, server: Ipv4Addr) -> Result<Job, String> {
    let size = schedule::integer(settings, "size")?;
    if size == 0 {
        return Err("setting 'size' cannot be 0; it has to be at least 1 byte".to_owned());
    }
    let rate = settings.number("rate");
    if rate.is_some_and(|rate| !(0.1..=1e7).contains(&rate)) {
        return Err("setting 'rate' has to be from 0.1 to 10000000 messages per second".to_owned());
    }
    let address = SocketAddr::new(IpAddr::V4(server), PORT);
    let threads = schedule::narrow(settings, "connections")?;
    schedule::job_of(Kind::Echo(EchoJob { address, size, rate }), threads, settings)
}

impl Workload for TcpEcho {
    fn name(&self) -> &str {
        "tcp-echo"
    }

    fn summary(&self) -> &str {
        "round trips over TCP between a server in the environment and a load generator outside it"
    }

    fn settings(&self) -> &[SettingDef] {
        SETTINGS
    }

    fn metrics(&self) -> Vec<MetricDef> {
        let mut metrics = report::metrics(&[
            MetricDef::headline("latency_p50", "s", Better::Lower),
            MetricDef::headline(EVENTS_PER_SECOND, "1/s", Better::Higher),
        ]);
        metrics.push(MetricDef::detail("throughput", "B/s", Better::Higher));
        metrics
    }

    fn image(&self, _: &Settings, _: Present<'_>) -> Result<Image, String> {
        Ok(Image::default())
    }

    fn info(&self, settings: &Settings) -> WorkloadInfo {
        let threads = schedule::narrow(settings, "connections").ok();
        // In an open loop, events also wait for a connection that is free.
        let threads = threads.filter(|_| settings.number("rate").is_none());
        WorkloadInfo { threads, ..WorkloadInfo::default() }
    }

    fn job(&self, settings: &Settings) -> Result<Job, String> {
        load(settings, Ipv4Addr::LOCALHOST)
    }

    fn decode(&self, output: &JobOutput, settings: &Settings) -> Result<Vec<Sample>, Invalid> {
        let size = schedule::integer(settings, "size").map_err(Invalid)?;
        let mut checked = report::check(output, &self.job(settings).map_err(Invalid)?, self.metrics())?;
        let report = checked.report;
        let expected = report.events.saturating_mul(size);
        if (report.bytes_read, report.bytes_written) != (expected, expected) {
            return invalid(format!(
                "{} round trips of {size} bytes sent {} and received {}",
                report.events, report.bytes_written, report.bytes_read
            ));
        }
        checked.push_rate("throughput", report.bytes_read.saturating_add(report.bytes_written));
        Ok(checked.into_samples())
    }

    fn scenario(&self) -> Option<&dyn Scenario> {
        Some(self)
    }
}

impl Scenario for TcpEcho {
    fn parts(&self, settings: &Settings) -> Result<Vec<Part>, String> {
        let native = EnvironmentSpec { driver: "native".to_owned(), given: Vec::new(), replica: None };
        let place = match settings.text("load") {
            Some("same") => Place::UnderTest,
            _ => Place::Fixed(native),
        };
        Ok(vec![
            Part { name: SERVER, place: Place::UnderTest, is_attached: true },
            Part { name: LOAD, place, is_attached: true },
        ])
    }

    fn play(&self, stage: &mut dyn Stage, settings: &Settings) -> Result<Vec<Sample>, PlayError> {
        stage.raise(SERVER)?;
        stage.raise(LOAD)?;
        let server = stage.address(SERVER)?;
        let size = schedule::integer(settings, "size").map_err(Invalid)?;
        let address = SocketAddr::new(IpAddr::V4(server), PORT);
        let what = Served::Echo { address, size };
        stage.serve(SERVER, &Service { what, patience_ms: PATIENCE_MS })?;
        let output = stage.run(LOAD, &load(settings, server).map_err(Invalid)?)?;
        Ok(self.verified(&output, settings)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_protocol::Builtin;

    fn settings(given: &[(&str, &str)]) -> Settings {
        Settings::check("w", SETTINGS, given.iter().copied()).expect("valid")
    }

    /// A stage that records what a scenario does, and answers jobs with an agent's report.
    #[derive(Default)]
    struct Script(Vec<String>);

    impl Stage for Script {
        fn raise(&mut self, part: &str) -> Result<(), PlayError> {
            self.0.push(format!("raise {part}"));
            Ok(())
        }

        fn address(&self, _: &str) -> Result<Ipv4Addr, PlayError> {
            Ok(Ipv4Addr::new(10, 233, 1, 10))
        }

        fn serve(&mut self, part: &str, service: &Service) -> Result<(), PlayError> {
            self.0.push(format!("serve {part} {:?}", service.what));
            Ok(())
        }

        fn run(&mut self, part: &str, job: &Job) -> Result<JobOutput, PlayError> {
            let Job::Builtin(Builtin { kind: Kind::Echo(echo), threads, .. }) = job else {
                panic!("{job:?}")
            };
            self.0.push(format!("run {part} {} {threads} {:?}", echo.address, echo.rate));
            Err(PlayError::Stopped)
        }
    }

    #[test]
    fn the_load_generator_starts_when_the_server_is_ready() {
        let mut stage = Script::default();
        let settings = settings(&[("connections", "3"), ("rate", "500")]);
        assert!(TcpEcho.play(&mut stage, &settings).is_err());
        let served = "serve server Echo { address: 10.233.1.10:7007, size: 64 }";
        let ran = "run load 10.233.1.10:7007 3 Some(500.0)";
        assert_eq!(stage.0, ["raise server", "raise load", served, ran]);
    }

    #[test]
    fn the_load_runs_natively_or_in_the_same_environment() {
        let place = |given| TcpEcho.parts(&settings(given)).expect("parts")[1].place.clone();
        assert_eq!(place(&[("load", "same")]), Place::UnderTest);
        assert!(matches!(place(&[]), Place::Fixed(spec) if spec.to_string() == "native"));
        assert!(TcpEcho.job(&settings(&[("size", "0")])).is_err());
        assert!(TcpEcho.job(&settings(&[("rate", "0.01")])).is_err());
        assert_eq!(TcpEcho.info(&settings(&[("rate", "5")])).threads, None);
        assert_eq!(TcpEcho.info(&settings(&[])).threads, Some(1));
    }
}
