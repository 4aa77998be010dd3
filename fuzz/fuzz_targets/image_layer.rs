#![no_main]
libfuzzer_sys::fuzz_target!(|layers: Vec<Vec<isotare_fuzz::image::Member>>| isotare_fuzz::image::layers(&layers));
