#![no_main]
isotare_fuzz::decoder!("ioping");
