//! Every driver of the registry against the conformance suite, on the real runtime.

use isotare_core::{Driver, EnvironmentSpec, Image};
use isotare_testkit::conformance::{Finding, check};
use isotare_testkit::dockerd::{self, PrivateDockerd};
use isotare_testkit::fake::{FakeDriver, Script};
use isotare_testkit::tally;
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;
use std::process::ExitCode;

/// Settings worth a run of their own, beside the variants that the drivers name.
const MORE: &[&str] = &["container:network=veth", "qemu:accel=tcg,machine=q35", "qemu:accel=tcg,machine=pc"];
/// What continuous integration can have, so that not having it is a failure.
const IN_CI: &[&str] = &["native", "container", "docker", "qemu:accel=tcg"];

fn main() -> ExitCode {
    if let Some(status) = isotare_drivers::helper_process() {
        return status;
    }
    let arguments = Arguments::from_args();
    let daemon = (!arguments.list && !dockerd::answers()).then(PrivateDockerd::start);
    if let Some(Ok(daemon)) = &daemon {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var("DOCKER_HOST", daemon.host()) };
    }
    let mut trials: Vec<Trial> =
        specs().into_iter().map(|spec| Trial::test(spec.clone(), move || conforms(&spec))).collect();
    trials.push(Trial::test("the suite refuses a driver that breaks its rules", refuses));
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(daemon);
    conclusion.exit_code()
}

fn specs() -> Vec<String> {
    let named = isotare_drivers::DRIVERS.iter().flat_map(|driver| {
        driver.variants().iter().map(|variant| match variant.is_empty() {
            true => driver.name().to_owned(),
            false => format!("{}:{variant}", driver.name()),
        })
    });
    named.chain(MORE.iter().map(|&spec| spec.to_owned())).collect()
}

/// A shell and cat with their libraries.
fn image() -> Result<Image, Failed> {
    let mut image = Image::default();
    for program in ["/bin/sh", "/bin/cat"] {
        let (_, closure) = isotare_workloads::closure(program)?;
        closure.files.into_iter().for_each(|file| image.add(&file.path, file.source, file.mode));
    }
    Ok(image)
}

fn conforms(spec: &str) -> Result<(), Failed> {
    let environment: EnvironmentSpec = spec.parse().map_err(|error| format!("{error}"))?;
    let driver = isotare_drivers::find(&environment.driver).map_err(|error| error.to_string())?;
    let agent = Path::new(env!("ISOTARE_AGENT"));
    match check(driver, &environment, &image()?, agent) {
        Ok(findings) => {
            tally::tell(&format!("ran {spec}: conformance, {} rules", findings.len()));
            broken(&findings).map_or(Ok(()), |text| Err(text.into()))
        }
        Err(why) => Ok(tally::skip(spec, &why.to_string(), IN_CI.contains(&spec))?),
    }
}

fn broken(findings: &[Finding]) -> Option<String> {
    let broken: Vec<String> = findings
        .iter()
        .filter_map(|finding| Some(format!("{}: {}", finding.rule, finding.result.as_ref().err()?)))
        .collect();
    (!broken.is_empty()).then(|| broken.join("\n"))
}

fn refuses() -> Result<(), Failed> {
    static BROKEN: FakeDriver = FakeDriver::new("broken", Script::CannotBeDeleted);
    static DRIVER: &FakeDriver = &BROKEN;
    let driver: &'static dyn Driver = &DRIVER;
    let spec: EnvironmentSpec = "broken".parse().map_err(|error| format!("{error}"))?;
    let findings =
        check(driver, &spec, &Image::default(), Path::new("/bin/true")).map_err(|why| why.to_string())?;
    let held = findings.iter().filter(|finding| finding.result.is_ok()).count();
    // What a scripted driver can do right: prepare, and leave nothing.
    if held <= 3 { Ok(()) } else { Err(format!("{held} rules held: {findings:?}").into()) }
}
