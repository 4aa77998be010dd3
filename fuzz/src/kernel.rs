//! Kernels: boot images and the ELF images in them.

#[allow(dead_code)]
#[path = "../../crates/isotare-drivers/src/guest/vmlinuz.rs"]
mod vmlinuz;

/// No panic, and an image that is accepted is an ELF file.
pub fn kernel(bytes: &[u8]) {
    let _release = vmlinuz::release(bytes);
    // What is packed with xz or zstd is taken as it is: their programs are not of us.
    let run = |_: &str, packed: &[u8]| Ok(packed.to_vec());
    if let Ok(elf) = vmlinuz::unpack(bytes, &run) {
        assert!(vmlinuz::is_elf(&elf) && vmlinuz::is_image(bytes));
    }
}
