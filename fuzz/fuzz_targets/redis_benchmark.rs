#![no_main]
isotare_fuzz::decoder!("redis-benchmark");
