//! The conformance suite with every driver of the registry, on real runtimes.
//!
//! Environments that continuous integration cannot have are ignored by default: `cargo test --test
//! conformance -- --include-ignored libvirt`.

#![expect(unsafe_code, reason = "variables of the environment are set before there are threads")]

use isotare_core::{Driver, EnvironmentSpec, IMAGE_SETTING, Image, Interrupt, Settings, Unavailable};
use isotare_host::deadline_in;
use isotare_image::{Cache, Userland};
use isotare_testkit::conformance::{Finding, Rehearsal, Subject, check};
use isotare_testkit::coverage::{COVERAGE, Tested};
use isotare_testkit::engines::{Engines, SSH_SETTINGS};
use isotare_testkit::fake::{FakeDriver, Script};
use isotare_testkit::faulty::{Fault, Faulty};
use isotare_testkit::sshd::PASSWORDS;
use isotare_testkit::tally;
use libtest_mimic::{Arguments, Failed, Trial};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Placeholder for an archive of a tree in the list of specs.
const TREE: &str = "/tree.tar";
/// The variable with the path of this archive.
const TREE_VARIABLE: &str = "ISOTARE_TEST_TREE";

/// The number of environments that are tested at the same time.
const AT_ONCE: usize = 4;

/// Each fault with the rule that finds it.
const FAULTS: &[(Fault, &str)] = &[
    (Fault::DeletesNothing, "nothing is left on the host"),
    (Fault::DeletesOnce, "delete works at every stage, twice, and without stop"),
    (Fault::StopsNothing, "what does not end by itself is ended after its grace"),
    (Fault::HidesProcesses, "the life cycle runs from create to delete"),
    (Fault::StartsEarly, "what was not started is not ready"),
    (Fault::RecordsNothing, "a kill at any stage leaves nothing that clean does not remove"),
    // The CPU time of a busy instance depends on other tests that run at the same time. The number of CPUs
    // that it sees does not.
    (Fault::GivesCpus, "the instance sees the budget's CPUs"),
    (Fault::GivesMemory, "a workload that wants more memory than the budget does not get it"),
    (Fault::GivesProcesses, "a workload that wants more processes than the budget does not get them"),
    (Fault::FindsAnything, "what is missing or broken is unavailable, with reason and remedy"),
];

fn main() -> ExitCode {
    if let Some(status) = isotare_drivers::helper_process() {
        return status;
    }
    if let Some(asked) = Rehearsal::asked() {
        return with_subject(&asked.subject, |subject| Ok(asked.perform(subject)))
            .unwrap_or(ExitCode::FAILURE);
    }
    let mut arguments = Arguments::from_args();
    // The tests mostly wait for instances, so several run at the same time.
    arguments.test_threads.get_or_insert(AT_ONCE);
    let all = arguments.include_ignored || arguments.ignored;
    let named =
        |spec: &str, filter: &String| if arguments.exact { spec == filter } else { spec.contains(filter) };
    let runs = |(spec, tested): &(&str, Tested)| {
        (all || tested.is_routine()) && arguments.filter.as_ref().is_none_or(|filter| named(spec, filter))
    };
    let wanted: Vec<&str> = COVERAGE.iter().filter(|row| runs(row)).map(|(spec, _)| *spec).collect();
    // SAFETY: no other thread runs yet.
    let engines = (!arguments.list).then(|| unsafe { Engines::start(&wanted) });
    let folder = match tempfile::tempdir_in("/var/tmp") {
        Ok(folder) => folder,
        Err(_) => return ExitCode::FAILURE,
    };
    let archive = folder.path().join("tree.tar");
    // SAFETY: as above.
    unsafe { std::env::set_var(TREE_VARIABLE, &archive) };
    if !arguments.list && write_tree(&archive).is_err() {
        return ExitCode::FAILURE;
    }
    let of = |(spec, tested): &'static (&str, Tested)| {
        Trial::test(*spec, || conforms(spec, *tested)).with_ignored_flag(!tested.is_routine())
    };
    let mut trials: Vec<Trial> = COVERAGE.iter().map(of).collect();
    trials.push(Trial::test("the suite refuses a driver that does nothing", refuses_a_script));
    trials.extend(FAULTS.iter().map(|(fault, rule)| {
        Trial::test(format!("the suite refuses {fault:?}"), move || refuses(*fault, rule))
    }));
    trials.push(Trial::test(
        "ssh: a wrong key, an unknown machine, a closed port and a password are told apart",
        ssh_refusals,
    ));
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop((engines, folder));
    conclusion.exit_code()
}

/// The path of the agent. In a lab, this test runs on another machine than the one where it was built.
fn agent() -> OsString {
    std::env::var_os("ISOTARE_AGENT").unwrap_or_else(|| env!("ISOTARE_AGENT").into())
}

/// A spec of the list, with the addresses and paths of this run.
fn concrete(spec: &str) -> String {
    let today = |name: &str| std::env::var(name).unwrap_or_default();
    match spec {
        "ssh" => format!("ssh:{}", today(SSH_SETTINGS)),
        _ => spec.replace(TREE, &today(TREE_VARIABLE)),
    }
}

/// The image of the environment. If it has none, it gets a shell, cat, sleep and mount with their libraries.
fn image(driver: &dyn Driver, spec: &EnvironmentSpec) -> Result<Image, Failed> {
    let settings = Settings::check(driver.name(), driver.settings(), spec.pairs())?;
    let userland = match settings.text(IMAGE_SETTING.key) {
        Some(reference) => {
            let deadline = deadline_in(Duration::from_secs(300), &Interrupt::default());
            isotare_image::resolve(&reference.parse()?, &Cache::of_user(), &deadline)?
        }
        None => Userland::default(),
    };
    let mut image = Image::default();
    for (path, closure) in programs()? {
        if !userland.has_program(&path) {
            image.extend(closure);
        }
    }
    Ok(userland.furnish(image)?)
}

/// The programs that the suite runs in instances, each with its libraries.
fn programs() -> Result<Vec<(PathBuf, Image)>, Failed> {
    ["/bin/sh", "/bin/cat", "/bin/sleep", "/bin/mount"]
        .into_iter()
        .map(|path| Ok(isotare_workloads::closure(path)?))
        .collect()
}

/// Writes a tree with these programs as an archive to this path.
fn write_tree(archive: &Path) -> Result<(), Failed> {
    let mut image = Image::default();
    programs()?.into_iter().for_each(|(_, closure)| image.extend(closure));
    let written = isotare_host::write_tar(&image, std::fs::File::create(archive)?);
    Ok(written.map_err(|error| isotare_core::with_sources(&error))?)
}

/// Calls `then` with the subject of this name: a spec, or the name of a fault. A fault is tried with a driver
/// that mounts, so that a missing record is noticed.
fn with_subject<T>(name: &str, then: impl FnOnce(&Subject<'_>) -> Result<T, Failed>) -> Result<T, Failed> {
    let fault = FAULTS.iter().find(|(fault, _)| format!("{fault:?}") == name).map(|(fault, _)| *fault);
    let spec: EnvironmentSpec =
        fault.map_or(concrete(name), |_| "chroot".to_owned()).parse().map_err(|error| format!("{error}"))?;
    let found = isotare_drivers::find(&spec.driver).map_err(|error| error.to_string())?;
    let faulty = fault.map(|fault| Faulty { inner: found, fault });
    let driver = faulty.as_ref().map_or(found, |faulty| faulty as &dyn Driver);
    let image = image(driver, &spec)?;
    then(&Subject { driver, spec: &spec, image: &image, agent: Path::new(&agent()) })
}

/// Each way in which a login can fail has its own reason and remedy.
fn ssh_refusals() -> Result<(), Failed> {
    let good = concrete("ssh");
    if good == "ssh:" {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let other = |name: &str| folder.path().join(name).display().to_string();
    let mut keygen = std::process::Command::new("ssh-keygen");
    if !keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &other("key")]).status()?.success() {
        return Err("ssh-keygen makes no key".into());
    }
    std::fs::write(other("known"), "")?;
    let replaced = |setting: &str, value: &str| {
        let parts = good.split(',').map(|part| match part.split_once('=') {
            Some((key, _)) if key == setting => format!("{key}={value}"),
            _ => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join(",")
    };
    let driver = isotare_drivers::find("ssh").map_err(|error| error.to_string())?;
    for (spec, reason, remedy) in [
        (replaced("key", &other("key")), "Permission denied", "key="),
        (replaced("known-hosts", &other("known")), "Host key verification failed", "known-hosts="),
        (format!("{good},port=1"), "Connection refused", "sshd"),
        (format!("{good},port={PASSWORDS}"), "it asks for a password", "ssh-copy-id"),
    ] {
        let spec: EnvironmentSpec = spec.parse().map_err(|error| format!("{error}"))?;
        let agent = agent();
        let subject = Subject { driver, spec: &spec, image: &Image::default(), agent: Path::new(&agent) };
        match check(&subject, None) {
            Err(why) if why.reason.contains(reason) && why.remedy.contains(remedy) => {}
            other => return Err(format!("{spec}: {other:?}").into()),
        }
    }
    Ok(())
}

fn conforms(spec: &str, tested: Tested) -> Result<(), Failed> {
    match examined(spec)? {
        Ok(findings) => {
            tally::tell(&format!("ran {spec}: conformance, {} rules", findings.len()));
            broken(&findings).map_or(Ok(()), |text| Err(text.into()))
        }
        Err(why) => Ok(tally::skip(spec, &why.to_string(), tested == Tested::Ci)?),
    }
}

fn examined(name: &str) -> Result<Result<Vec<Finding>, Unavailable>, Failed> {
    let rehearsal = is_rehearsed(name).then(|| Rehearsal::new(name)).transpose()?;
    with_subject(name, |subject| Ok(check(subject, rehearsal.as_ref())))
}

/// Whether the rules that kill isotare are checked with this spec. They are checked for every driver, and for
/// every setting that makes more resources on the host. Settings that only change the inside of an instance
/// would leave the same resources.
fn is_rehearsed(spec: &str) -> bool {
    let inside = ["upto=", "only=", "runtime=", "platform=ptrace", "machine=q35", "machine=pc", "image="];
    // In a lab everything takes ten times as long, and the same drivers are checked on the host.
    !isotare_facts::is_emulated() && !inside.iter().any(|setting| spec.contains(setting))
}

fn broken(findings: &[Finding]) -> Option<String> {
    let broken: Vec<String> = findings
        .iter()
        .filter_map(|finding| Some(format!("{}: {}", finding.rule, finding.result.as_ref().err()?)))
        .collect();
    (!broken.is_empty()).then(|| broken.join("\n"))
}

fn refuses_a_script() -> Result<(), Failed> {
    static BROKEN: FakeDriver = FakeDriver::new("broken", Script::CannotBeDeleted);
    static DRIVER: &FakeDriver = &BROKEN;
    let spec: EnvironmentSpec = "broken".parse().map_err(|error| format!("{error}"))?;
    let image = Image::default();
    let subject = Subject { driver: &DRIVER, spec: &spec, image: &image, agent: Path::new("/bin/true") };
    let findings = check(&subject, None).map_err(|why| why.to_string())?;
    let held: Vec<_> = findings.iter().filter(|finding| finding.result.is_ok()).collect();
    // A scripted driver can follow only a few rules: prepare, use no name or CPU of others, and leave
    // nothing.
    if held.len() <= 5 { Ok(()) } else { Err(format!("{} rules held: {held:#?}", held.len()).into()) }
}

/// Checks a driver with one fault. The rule for this fault must fail.
fn refuses(fault: Fault, rule: &str) -> Result<(), Failed> {
    let findings = examined(&format!("{fault:?}"))?.map_err(|why| why.to_string())?;
    let found = findings.iter().find(|finding| finding.rule == rule).ok_or("there is no such rule")?;
    match &found.result {
        Err(_) => Ok(()),
        Ok(()) => Err(format!("{fault:?} was not found; {:?}", broken(&findings)).into()),
    }
}
