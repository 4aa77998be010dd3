//! Programs and their libraries: what an ELF file and `ld.so.cache` say.

#[allow(dead_code)]
#[path = "../../crates/isotare-workloads/src/closure/cache.rs"]
mod cache;
#[allow(dead_code)]
#[path = "../../crates/isotare-workloads/src/closure/libraries.rs"]
mod libraries;

/// No panic, and no more memory than the fuzzer's limit.
pub fn elf(bytes: &[u8]) {
    let cache = cache::LibraryCache::parse(bytes);
    let file = tempfile::NamedTempFile::new_in("/dev/shm").expect("a file in memory");
    std::fs::write(file.path(), bytes).expect("written");
    if let Ok(program) = libraries::Binary::read(file.path()) {
        let search = libraries::Search::new(cache);
        for name in program.needed.iter().take(8) {
            search.find(name, &program, &program.rpath);
        }
    }
}
