//! The compiled system call filter as a file, so that no launcher has to compile it in a measured phase.

use seccompiler::sock_filter;

/// Eight bytes for each instruction, as the kernel lays it out (`struct sock_filter` in linux/filter.h).
pub(super) fn encode(program: &[sock_filter]) -> Vec<u8> {
    let one = |op: &sock_filter| {
        let ([a, b], [k0, k1, k2, k3]) = (op.code.to_ne_bytes(), op.k.to_ne_bytes());
        [a, b, op.jt, op.jf, k0, k1, k2, k3]
    };
    program.iter().flat_map(one).collect()
}

/// The way back.
pub(super) fn decode(bytes: &[u8]) -> Vec<sock_filter> {
    let (ops, _) = bytes.as_chunks::<8>();
    ops.iter()
        .map(|&[a, b, jt, jf, k0, k1, k2, k3]| sock_filter {
            code: u16::from_ne_bytes([a, b]),
            jt,
            jf,
            k: u32::from_ne_bytes([k0, k1, k2, k3]),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::broker::seccomp;

    #[test]
    fn a_filter_is_read_back_from_its_file() {
        let program = seccomp::compile().expect("compiles");
        assert_eq!(decode(&encode(&program)), program);
    }
}
