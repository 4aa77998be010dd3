//! Tests with correct and with wrong files.

use super::*;

const MODES: [FileMode; 5] = [
    FileMode::SeqRead,
    FileMode::SeqWrite,
    FileMode::RandomRead,
    FileMode::RandomWrite,
    FileMode::RandomReadWrite,
];

fn job(mode: FileMode) -> FileioJob {
    FileioJob {
        mode,
        files: 3,
        total: 3 * 64 * 1024,
        block: 4096,
        fsync_every: 10,
        fsync_end: true,
        pattern: Pattern::Buffered,
        read_write_ratio: 1.5,
    }
}

fn prepare(job: &FileioJob, data: &Path) -> Fileio {
    Fileio::prepare(job, data, &|| false).expect("prepares")
}

#[test]
fn every_mode_does_its_operations_and_leaves_no_files() {
    let data = tempfile::tempdir().expect("folder");
    for mode in MODES {
        let files = prepare(&job(mode), data.path());
        let mut worker = files.worker(Random::new(0)).expect("worker");
        let mut sum = [0; 3];
        for _ in 0..130 {
            let event = files.event(&mut worker).expect("works");
            assert!(!event.wrong, "{mode:?}");
            for (sum, count) in sum.iter_mut().zip(event.operations) {
                *sum += count;
            }
        }
        let expected = match mode {
            FileMode::SeqRead | FileMode::RandomRead => [130, 0, 0],
            FileMode::SeqWrite | FileMode::RandomWrite => [0, 100, 30],
            FileMode::RandomReadWrite => [60, 40, 30],
        };
        assert_eq!(sum, expected, "{mode:?}");
        assert_eq!(files.finish().expect("syncs").operations[2], if files.writes() { 3 } else { 0 });
        files.cleanup().expect("removes");
        assert_eq!(std::fs::read_dir(data.path()).expect("lists").count(), 0);
    }
}

#[test]
fn changed_and_shortened_files_are_wrong() {
    let data = tempfile::tempdir().expect("folder");
    let mut settings = job(FileMode::SeqRead);
    settings.files = 1;
    for damage in [|file: &File| file.write_all_at(b"x", 4096), |file: &File| file.set_len(4096 + 100)] {
        let files = prepare(&settings, data.path());
        damage(&File::options().write(true).open(files.path(0)).expect("opens")).expect("damages");
        let mut worker = files.worker(Random::new(0)).expect("worker");
        assert!(!files.event(&mut worker).expect("works").wrong);
        assert!(files.event(&mut worker).expect("works").wrong);
    }
}

#[test]
fn an_interrupted_preparation_leaves_nothing() {
    let data = tempfile::tempdir().expect("folder");
    let refused = Fileio::prepare(&job(FileMode::SeqRead), data.path(), &|| true);
    assert!(refused.err().is_some_and(|why| why.contains("stopped by the host")));
    assert_eq!(std::fs::read_dir(data.path()).expect("lists").count(), 0);
}

#[test]
fn buffers_are_aligned() {
    let mut buffer = Aligned::new(512);
    assert_eq!(buffer.block().as_ptr().align_offset(ALIGNMENT), 0);
    assert_eq!(buffer.block().len(), 512);
}
