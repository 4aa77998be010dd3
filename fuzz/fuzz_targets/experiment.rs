#![no_main]
libfuzzer_sys::fuzz_target!(|text: &str| isotare_fuzz::experiment::experiment(text));
