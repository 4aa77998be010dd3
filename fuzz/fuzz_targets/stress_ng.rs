#![no_main]
isotare_fuzz::decoder!("stress-ng");
