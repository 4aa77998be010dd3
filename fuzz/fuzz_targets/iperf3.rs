#![no_main]
isotare_fuzz::decoder!("iperf3");
