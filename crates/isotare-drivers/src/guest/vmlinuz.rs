//! Extracts the ELF image from a bzImage, so that the guest does not have to do it under emulation.
//!
//! A distribution's `vmlinuz` is setup code, a decompressor and the compressed `vmlinux`. QEMU boots the ELF
//! image itself through its PVH entry point where the kernel has one (`CONFIG_PVH`), which skips all three.

use isotare_core::Cause;

/// Why a kernel's ELF image could not be extracted. The driver then boots the unchanged `vmlinuz`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// No boot header, or one older than protocol 2.08.
    #[error("it is not a bzImage with boot protocol 2.08 or later")]
    NoImage,
    /// Compressed with something else than LZ4.
    #[error("its compression is not supported (magic {0:02x?})")]
    Compression([u8; 4]),
    /// The program for it failed.
    #[error("{0}")]
    Program(&'static str, #[source] Cause),
    /// The compressed data are damaged.
    #[error("its LZ4 payload is damaged")]
    Damaged(#[source] Cause),
    /// No ELF image, or one without the note that names the PVH entry point.
    #[error("it has no PVH entry point")]
    NoPvh,
}

const LZ4_LEGACY: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
/// Other compressions, by their first bytes, and the program that undoes each.
const PROGRAMS: &[([u8; 4], &str)] = &[([0xfd, b'7', b'z', b'X'], "xz"), ([0x28, 0xb5, 0x2f, 0xfd], "zstd")];

/// Runs a program on packed bytes.
pub(super) type Unpacker<'a> = dyn Fn(&str, &[u8]) -> Result<Vec<u8>, Cause> + 'a;

/// The uncompressed size of every block of LZ4's legacy format but the last.
const LZ4_BLOCK: usize = 8 << 20;
/// Of a program header in a 64-bit ELF file.
const PROGRAM_HEADER: usize = 56;

/// Whether the bytes begin as a Linux boot image does (Documentation/arch/x86/boot.rst).
pub(crate) fn is_image(image: &[u8]) -> bool {
    image.get(0x202..0x206) == Some(b"HdrS")
}

/// Whether the bytes begin as a 64-bit ELF file does.
pub(crate) fn is_elf(image: &[u8]) -> bool {
    image.starts_with(b"\x7fELF\x02\x01")
}

/// The kernel's release as its boot image says, such as `6.1.0-30-cloud-amd64`.
pub(crate) fn release(image: &[u8]) -> Option<String> {
    let at = usize::from(u16::from_le_bytes(*image.get(0x20e..)?.first_chunk()?));
    let text = image.get(at + 0x200..)?;
    let end = text.iter().take(256).position(|&byte| byte == b' ' || byte == 0)?;
    (is_image(image) && at != 0).then(|| String::from_utf8_lossy(&text[..end]).into_owned())
}

/// The ELF image inside a boot image. Other compressions than LZ4 are unpacked by `run`: a program that reads
/// a packed file, and the bytes for it.
pub(super) fn unpack(image: &[u8], run: &Unpacker<'_>) -> Result<Vec<u8>, UnpackError> {
    let payload = payload(image).ok_or(UnpackError::NoImage)?;
    let elf = match payload.split_first_chunk::<4>() {
        Some((&LZ4_LEGACY, blocks)) => unpack_lz4(blocks)?,
        Some((&magic, _)) => {
            let known = PROGRAMS.iter().find(|(begin, _)| *begin == magic);
            let (_, program) = known.ok_or(UnpackError::Compression(magic))?;
            // The kernel's build appends the image's size (scripts/Makefile.lib, `size_append`).
            let packed = payload.get(..payload.len() - 4).unwrap_or_default();
            run(program, packed).map_err(|why| UnpackError::Program(program, why))?
        }
        None => return Err(UnpackError::NoImage),
    };
    if has_pvh_note(&elf).unwrap_or(false) { Ok(elf) } else { Err(UnpackError::NoPvh) }
}

/// The compressed payload, as the boot header says.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let version = u16::from_le_bytes(*image.get(0x206..)?.first_chunk()?);
    (is_image(image) && version >= 0x208).then_some(())?;
    let setup_sectors = match *image.get(0x1f1)? {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let start = (setup_sectors + 1) * 512 + word(image, 0x248)?;
    image.get(start..start.checked_add(word(image, 0x24c)?)?)
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

/// LZ4's legacy format: blocks with their length. The kernel's build appends the image's size (four bytes).
fn unpack_lz4(mut blocks: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let (mut image, mut block) = (Vec::new(), vec![0; LZ4_BLOCK]);
    while blocks.len() > 4 {
        let length = word(blocks, 0).unwrap_or(0);
        let packed =
            blocks.get(4..4 + length).ok_or_else(|| UnpackError::Damaged("a block is cut short".into()))?;
        let unpacked = lz4_flex::block::decompress_into(packed, &mut block)
            .map_err(|error| UnpackError::Damaged(error.into()))?;
        image.extend_from_slice(&block[..unpacked]);
        blocks = &blocks[4 + length..];
    }
    Ok(image)
}

/// Looks for the ELF note `XEN_ELFNOTE_PHYS32_ENTRY` (18) of the owner `Xen` in the image's `PT_NOTE`
/// segments.
fn has_pvh_note(elf: &[u8]) -> Option<bool> {
    if !is_elf(elf) {
        return None;
    }
    let headers = long(elf, 32)?;
    let count = u16::from_le_bytes(*elf.get(56..)?.first_chunk()?);
    Some((0..usize::from(count)).any(|index| {
        let segment = || {
            let header = headers.checked_add(index * PROGRAM_HEADER)?;
            (word(elf, header)? == 4).then_some(())?;
            let start = long(elf, header + 8)?;
            elf.get(start..start.checked_add(long(elf, header + 32)?)?)
        };
        // Type 18, then the name: unique enough without reading every note.
        segment().is_some_and(|notes| notes.windows(8).any(|window| window == b"\x12\0\0\0Xen\0"))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_than_kernels_are_refused_without_a_panic() {
        let none: &Unpacker<'_> = &|_, _| Err("none".into());
        for bytes in [&b""[..], b"#!/bin/sh\n", &[0xff; 4096], b"\x7fELF\x02\x01"] {
            assert!(!is_image(bytes) && release(bytes).is_none());
            assert!(matches!(unpack(bytes, none), Err(UnpackError::NoImage)));
            assert!(!has_pvh_note(bytes).unwrap_or(false));
        }
    }

    #[test]
    fn a_damaged_image_is_an_error() {
        let mut image = vec![0; 8192];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&[0x0f, 0x02]);
        image[0x248] = 0;
        image[0x24c] = 64;
        let payload = 5 * 512;
        image[payload..payload + 4].copy_from_slice(&LZ4_LEGACY);
        image[payload + 4] = 200;
        let none: &Unpacker<'_> = &|_, _| Err("none".into());
        assert!(matches!(unpack(&image, none), Err(UnpackError::Damaged(_))));
        image[payload] = 0x1f;
        assert!(matches!(unpack(&image, none), Err(UnpackError::Compression(_))));
        image[payload..payload + 4].copy_from_slice(b"\xfd7zX");
        let of_sixty: &Unpacker<'_> = &|program, bytes| Err(format!("{program} of {}", bytes.len()).into());
        let told = isotare_core::with_sources(&unpack(&image, of_sixty).expect_err("refused"));
        assert_eq!(told, "xz: xz of 60");
    }
}
