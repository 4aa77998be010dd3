//! The host's side of a connection to the real agent. Each test file uses only a part of it.

use isotare_protocol::{
    Exit, FrameBuffer, FromAgent, Hello, Job, JobResult, Observed, Stream, ToAgent, Usage, VERSION,
    WorkReport, decode_hello, encode,
};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// The host's side of the connection to one agent.
pub struct Agent {
    pub child: Child,
    pub stream: UnixStream,
    buffer: FrameBuffer,
    pub data: tempfile::TempDir,
}

/// The answer to a job.
#[derive(Default)]
pub struct Answer {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub measuring: u32,
    pub measured: u32,
    pub largest: usize,
    pub end: Option<FromAgent>,
}

impl Agent {
    pub fn start() -> (Self, Hello) {
        Self::start_program(env!("CARGO_BIN_EXE_isotare-agent"))
    }

    pub fn start_program(program: &str) -> (Self, Hello) {
        let data = tempfile::tempdir().expect("folder");
        let socket = data.path().join("s");
        let listener = UnixListener::bind(&socket).expect("binds");
        let folder = data.path().join("data");
        std::fs::create_dir(&folder).expect("folder");
        let child = Command::new(program)
            .args(["--socket".as_ref(), socket.as_os_str(), "--data".as_ref(), folder.as_os_str()])
            .spawn()
            .expect("starts");
        let (stream, _) = listener.accept().expect("accepts");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("sets");
        let mut agent = Self { child, stream, buffer: FrameBuffer::default(), data };
        let hello = agent.next_body(|body| decode_hello(body).expect("hello"));
        agent.send(&ToAgent::Welcome(VERSION));
        (agent, hello)
    }

    pub fn folder(&self) -> PathBuf {
        self.data.path().join("data")
    }

    pub fn send(&mut self, message: &ToAgent) {
        self.stream.write_all(&encode(message).expect("encodes")).expect("sends");
    }

    fn next_body<T>(&mut self, read: impl Fn(&[u8]) -> T) -> T {
        let mut piece = vec![0; 1 << 16];
        loop {
            if let Some(body) = self.buffer.next_body().expect("frame") {
                return read(body);
            }
            let count = self.stream.read(&mut piece).expect("reads");
            assert_ne!(count, 0, "the agent closed the connection");
            self.buffer.feed(&piece[..count]);
        }
    }

    pub fn next(&mut self) -> FromAgent {
        let mut piece = vec![0; 1 << 16];
        loop {
            if let Some(message) = self.buffer.next_message().expect("frame") {
                return message;
            }
            let count = self.stream.read(&mut piece).expect("reads");
            assert_ne!(count, 0, "the agent closed the connection");
            self.buffer.feed(&piece[..count]);
        }
    }

    pub fn answer(&mut self) -> Answer {
        let mut answer = Answer::default();
        loop {
            match self.next() {
                FromAgent::Output { stream, data } => {
                    answer.largest = answer.largest.max(data.len());
                    match stream {
                        Stream::Stdout => answer.stdout.extend(data),
                        Stream::Stderr => answer.stderr.extend(data),
                    }
                }
                FromAgent::Measuring => answer.measuring += 1,
                FromAgent::Measured => answer.measured += 1,
                end => {
                    answer.end = Some(end);
                    return answer;
                }
            }
        }
    }

    pub fn run(&mut self, job: Job) -> Answer {
        self.send(&ToAgent::Run { job, observe_ms: None });
        self.answer()
    }

    pub fn wait_exit(&mut self) -> std::process::ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("waits") {
                return status;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the agent does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Answer {
    pub fn command(&self) -> (Exit, &[Usage]) {
        match &self.end {
            Some(FromAgent::Finished { result: JobResult::Command { exit, runs }, .. }) => (*exit, runs),
            other => panic!("not a finished command: {other:?}"),
        }
    }

    pub fn work(&self) -> (&WorkReport, &Observed) {
        match &self.end {
            Some(FromAgent::Finished { result: JobResult::Work(report), observed }) => (report, observed),
            other => panic!("not a finished workload: {other:?}"),
        }
    }

    pub fn refusal(&self) -> &str {
        match &self.end {
            Some(FromAgent::Refused(why)) => why,
            other => panic!("not refused: {other:?}"),
        }
    }
}
