//! `/etc/ld.so.cache`: where `ldconfig` wrote down which library is where.

use std::collections::HashMap;
use std::path::PathBuf;

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;

/// Every path of every library's name, in the cache's order, which is that of preference.
#[derive(Debug, Default)]
pub struct LibraryCache(HashMap<String, Vec<PathBuf>>);

impl LibraryCache {
    /// Reads the present format (glibc 2.2 and later). A file of another format is like no cache: `ld.so`
    /// then looks into its default folders.
    pub fn parse(bytes: &[u8]) -> Self {
        // An older table may come first; offsets count from the magic word.
        let Some(start) = bytes.windows(MAGIC.len()).position(|window| window == MAGIC) else {
            return Self::default();
        };
        let table = &bytes[start..];
        let mut libraries: HashMap<String, Vec<PathBuf>> = HashMap::new();
        for index in 0..number(table, MAGIC.len()).unwrap_or(0) {
            let entry = HEADER + index * ENTRY;
            let (Some(key), Some(value)) = (number(table, entry + 4), number(table, entry + 8)) else {
                break;
            };
            if let (Some(name), Some(path)) = (text(table, key), text(table, value)) {
                libraries.entry(name).or_default().push(path.into());
            }
        }
        Self(libraries)
    }

    /// Paths of the library of this name.
    pub fn paths(&self, name: &str) -> &[PathBuf] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

fn number(table: &[u8], at: usize) -> Option<usize> {
    let bytes = table.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
}

fn text(table: &[u8], at: usize) -> Option<String> {
    let bytes = table.get(at..)?.split(|&byte| byte == 0).next()?;
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_is_read_and_a_damaged_one_is_empty() {
        let strings = b"libx.so.1\0/lib/libx.so.1\0";
        let mut table = MAGIC.to_vec();
        table.extend(1_u32.to_le_bytes());
        table.resize(HEADER, 0);
        let base = u32::try_from(HEADER + ENTRY).expect("small");
        for word in [3, base, base + 10, 0, 0, 0] {
            table.extend(word.to_le_bytes());
        }
        table.extend(strings);
        let older = [b"ld.so-1.7.0\0padding".as_slice(), &table].concat();
        for bytes in [&table, &older] {
            assert_eq!(LibraryCache::parse(bytes).paths("libx.so.1"), [PathBuf::from("/lib/libx.so.1")]);
        }
        for length in 0..table.len() - strings.len() {
            assert!(LibraryCache::parse(&table[..length]).paths("libx.so.1").is_empty());
        }
    }
}
