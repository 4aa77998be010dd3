#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| isotare_fuzz::image::layout(bytes));
