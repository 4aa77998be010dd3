//! Running a program of the instance: once with its streams carried to the host, or in a timed loop.

use crate::clock;
use crate::control::{Control, signal_group};
use crate::link::Link;
use crate::observe::Observer;
use crate::reap::{Ended, wait};
use crate::spawn::{Launch, Program};
use isotare_protocol::{CommandJob, Exit, FromAgent, JobResult, Repetition, Stream, Usage};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, memfd_create};
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Seek, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

/// Largest piece of output in one message.
const PIECE: usize = 64 << 10;
/// How long output is awaited from processes that outlived the program and still hold its streams.
const STRAGGLERS_NS: u64 = 200_000_000;

/// Runs the job and gives its final message.
pub fn run(
    job: &CommandJob,
    data: &Path,
    observe_ms: Option<u32>,
    control: &Control,
    link: &mut Link,
) -> Result<FromAgent, String> {
    let program = Program::resolve(job, data)?;
    let failed = |error: io::Error| format!("run {}: {error}", program.name());
    control.command_begins();
    match job.repetition {
        Repetition::Once => {
            let observer = Observer::start(observe_ms)?;
            link.send(&FromAgent::Measuring)?;
            let ended = streamed(&program, &job.stdin, control, link).map_err(failed)?;
            link.send(&FromAgent::Measured)?;
            let result = JobResult::Command { exit: ended.exit, runs: vec![ended.usage] };
            Ok(FromAgent::Finished { result, observed: Box::new(observer.finish()) })
        }
        Repetition::Loop { warmup, min_runs, duration_ms } => {
            let mut quiet = Quiet::new(&job.stdin).map_err(failed)?;
            for run in 0..warmup {
                let exit = match run {
                    0 => streamed(&program, &job.stdin, control, link).map_err(failed)?.exit,
                    _ => quiet.runs(&program, control, 1, 0).map_err(failed)?.0,
                };
                if !exit.is_success() {
                    let result = JobResult::Command { exit, runs: Vec::new() };
                    return Ok(FromAgent::Finished { result, observed: Box::default() });
                }
            }
            let observer = Observer::start(observe_ms)?;
            link.send(&FromAgent::Measuring)?;
            let (exit, runs) = quiet.runs(&program, control, min_runs.max(1), duration_ms).map_err(failed)?;
            link.send(&FromAgent::Measured)?;
            let result = JobResult::Command { exit, runs };
            Ok(FromAgent::Finished { result, observed: Box::new(observer.finish()) })
        }
    }
}

/// Streams of timed runs: output to `/dev/null`, input from there or from memory.
struct Quiet {
    null: File,
    input: Option<File>,
}

impl Quiet {
    fn new(stdin: &[u8]) -> io::Result<Self> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let input = match stdin {
            [] => None,
            bytes => {
                let mut file = File::from(memfd_create("stdin", MemfdFlags::CLOEXEC)?);
                file.write_all(bytes)?;
                Some(file)
            }
        };
        Ok(Self { null, input })
    }

    /// At least `min_runs` runs, more until `duration_ms` has passed; ends early when one fails. Nothing but
    /// spawn and wait is between the two readings of the clock, and no thread is made.
    fn runs(
        &mut self,
        program: &Program,
        control: &Control,
        min_runs: u32,
        duration_ms: u64,
    ) -> io::Result<(Exit, Vec<Usage>)> {
        let null = self.null.as_fd();
        let input = self.input.as_ref().map_or(null, AsFd::as_fd);
        let launch = Launch::new(program, [input, null, null])?;
        let min_runs = usize::try_from(min_runs).unwrap_or(usize::MAX);
        let mut runs: Vec<Usage> = Vec::with_capacity(min_runs.clamp(1024, 1 << 20));
        let deadline = clock::now_ns().saturating_add(duration_ms.saturating_mul(1_000_000));
        loop {
            if let Some(mut input) = self.input.as_ref() {
                input.rewind()?;
            }
            let started = clock::now_ns();
            let pid = launch.start()?;
            control.started(pid);
            let ended = wait(pid);
            let now = clock::now_ns();
            control.finished();
            let Ended { exit, mut usage } = ended?;
            usage.wall_ns = now - started;
            runs.push(usage);
            // What the program left running would disturb the next run.
            signal_group(pid, libc::SIGKILL);
            if !exit.is_success() || control.must_stop() || (runs.len() >= min_runs && now >= deadline) {
                return Ok((exit, runs));
            }
        }
    }
}

/// One run with input fed and output sent while it runs.
fn streamed(program: &Program, stdin: &[u8], control: &Control, link: &mut Link) -> io::Result<Ended> {
    let (stdin_reader, stdin_writer) = io::pipe()?;
    let (stdout, stdout_writer) = io::pipe()?;
    let (stderr, stderr_writer) = io::pipe()?;
    let (ended_reader, ended_writer) = io::pipe()?;
    fcntl_setfl(&stdin_writer, OFlags::NONBLOCK)?;
    let launch = Launch::new(program, [stdin_reader.as_fd(), stdout_writer.as_fd(), stderr_writer.as_fd()])?;
    let started = clock::now_ns();
    let pid = launch.start()?;
    control.started(pid);
    drop(launch);
    drop((stdin_reader, stdout_writer, stderr_writer));
    std::thread::scope(|scope| {
        // Output has to be carried while somebody waits; the end of that wait is the end of the pipe.
        let waiter = scope.spawn(move || {
            let ended = wait(pid).map(|ended| (ended, clock::now_ns()));
            signal_group(pid, libc::SIGKILL);
            drop(ended_writer);
            ended
        });
        let mut streams = Streams { stdin: Some(stdin_writer), stdout: Some(stdout), stderr: Some(stderr) };
        let carried = streams.carry(stdin, ended_reader, link);
        if carried.is_err() {
            control.hang_up();
        }
        drop(streams);
        let waited = waiter.join().unwrap_or_else(|_| Err(io::Error::other("the waiting thread panicked")));
        control.finished();
        carried?;
        let (mut ended, now) = waited?;
        ended.usage.wall_ns = now - started;
        Ok(ended)
    })
}

/// The agent's ends of a program's standard streams, until each is closed.
struct Streams {
    stdin: Option<PipeWriter>,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
}

impl Streams {
    /// Carries everything until both outputs are closed and the program has ended.
    fn carry(&mut self, mut input: &[u8], ended: PipeReader, link: &mut Link) -> io::Result<()> {
        let mut buffer = vec![0; PIECE];
        let mut ended = Some(ended);
        let mut give_up_at = None;
        loop {
            if input.is_empty() {
                self.stdin = None;
            }
            if ended.is_none() && self.stdout.is_none() && self.stderr.is_none() {
                return Ok(());
            }
            let [can_write, out, err, end] = self.wait(ended.as_ref(), give_up_at)?;
            if can_write && let Some(stdin) = &mut self.stdin {
                match stdin.write(input) {
                    Ok(count) => input = &input[count..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    // The program does not want the rest.
                    Err(_) => input = &[],
                }
            }
            for (ready, source, stream) in
                [(out, &mut self.stdout, Stream::Stdout), (err, &mut self.stderr, Stream::Stderr)]
            {
                if ready {
                    forward(source, stream, &mut buffer, link)?;
                }
            }
            if end {
                ended = None;
                self.stdin = None;
                give_up_at = Some(clock::now_ns() + STRAGGLERS_NS);
            }
            if give_up_at.is_some_and(|at| clock::now_ns() >= at) && !out && !err {
                return Ok(());
            }
        }
    }

    /// Blocks until something can be done: write input, read either output, see the end.
    fn wait(&self, ended: Option<&PipeReader>, give_up_at: Option<u64>) -> io::Result<[bool; 4]> {
        let mut fds = Vec::with_capacity(4);
        let mut places = Vec::with_capacity(4);
        let sources = [
            self.stdin.as_ref().map(|fd| (fd.as_fd(), PollFlags::OUT)),
            self.stdout.as_ref().map(|fd| (fd.as_fd(), PollFlags::IN)),
            self.stderr.as_ref().map(|fd| (fd.as_fd(), PollFlags::IN)),
            ended.map(|fd| (fd.as_fd(), PollFlags::IN)),
        ];
        for (place, source) in sources.iter().enumerate() {
            if let Some((fd, flags)) = source {
                fds.push(PollFd::from_borrowed_fd(*fd, *flags));
                places.push(place);
            }
        }
        let timeout = give_up_at.map(|at| Duration::from_nanos(at.saturating_sub(clock::now_ns())));
        let timeout = timeout.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = [false; 4];
        for (fd, &place) in fds.iter().zip(&places) {
            ready[place] = !fd.revents().is_empty();
        }
        Ok(ready)
    }
}

fn forward(
    source: &mut Option<PipeReader>,
    stream: Stream,
    buffer: &mut [u8],
    link: &mut Link,
) -> io::Result<()> {
    let Some(pipe) = source else { return Ok(()) };
    match pipe.read(buffer) {
        Ok(0) => *source = None,
        Ok(count) => {
            let data = buffer[..count].to_vec();
            link.send(&FromAgent::Output { stream, data }).map_err(io::Error::other)?;
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    Ok(())
}
