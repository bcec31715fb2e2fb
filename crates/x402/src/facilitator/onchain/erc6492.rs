//! Signatures of wallets that are not deployed yet (ERC-6492). They wrap the factory call that
//! deploys the wallet together with the wallet's signature.

use alloy::{
    primitives::{Address, Bytes, address, hex},
    sol_types::SolValue as _,
};

/// The suffix of a wrapped signature.
const MAGIC: [u8; 32] = hex!("6492649264926492649264926492649264926492649264926492649264926492");

/// Factories that may be called: Coinbase's smart wallet, versions 1 and 1.1, which have the same
/// addresses on every chain. Other factories are not called, because the gas key pays for their
/// code.
const ALLOWED: [Address; 2] = [
    address!("0BA5ED0c6AA8c49038F819E587E2633c4A9F428a"),
    address!("BA5ED110eFDBa3D005bfC882d75358ACBbB85842"),
];

/// The three parts of a wrapped signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrappedSignature {
    pub(super) factory: Address,
    /// The call data for the factory.
    pub(super) deployment: Bytes,
    /// The wallet's own signature.
    pub(super) signature: Bytes,
}

/// A wrapped signature that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MalformedSignature;

impl WrappedSignature {
    /// Reads a signature; `None` for one that is not wrapped.
    pub(super) fn read(signature: &[u8]) -> Result<Option<Self>, MalformedSignature> {
        let Some(body) = signature.strip_suffix(&MAGIC) else {
            return Ok(None);
        };
        let (factory, deployment, signature) =
            <(Address, Bytes, Bytes)>::abi_decode_params(body).map_err(|_| MalformedSignature)?;
        Ok(Some(Self {
            factory,
            deployment,
            signature,
        }))
    }

    /// Whether the factory may be called.
    pub(super) fn allowed(&self) -> bool {
        ALLOWED.contains(&self.factory)
    }

    /// Creation code that deploys the wallet, makes one call, and reverts if the call reverts. If
    /// `answer` is zero it leaves no code behind; otherwise it returns the first `answer` bytes of
    /// the call's result.
    pub(super) fn deploy_and_call(&self, target: Address, call: &[u8], answer: u8) -> Bytes {
        const PROGRAM: usize = 106;
        let copy = |length: usize, offset: usize| {
            let (length, offset) = (two_bytes(length), two_bytes(offset));
            // PUSH2 length, PUSH2 offset, PUSH1 32, CODECOPY
            [&[0x61][..], &length, &[0x61], &offset, &[0x60, 0x20, 0x39]].concat()
        };
        let send = |to: Address, length: usize, answer: u8| {
            // PUSH1 answer, PUSH1 0, PUSH2 length, PUSH1 32, PUSH1 0, PUSH20 to, GAS, CALL
            let before = [0x60, answer, 0x60, 0x00, 0x61];
            let length = two_bytes(length);
            let between = [0x60, 0x20, 0x60, 0x00, 0x73];
            [&before[..], &length, &between, to.as_slice(), &[0x5a, 0xf1]].concat()
        };
        let (first, second) = (self.deployment.len(), call.len());
        let mut program = copy(first, PROGRAM);
        program.extend(send(self.factory, first, 0));
        // POP: if the deployment failed, the call fails.
        program.push(0x50);
        program.extend(copy(second, PROGRAM + first));
        program.extend(send(target, second, answer));
        let target = u8::try_from(program.len() + 13).expect("the program is shorter than 256");
        // PUSH1 target, JUMPI, RETURNDATASIZE, PUSH1 0, PUSH1 0, RETURNDATACOPY, RETURNDATASIZE,
        // PUSH1 0, REVERT
        program.extend([
            0x60, target, 0x57, 0x3d, 0x60, 0x00, 0x60, 0x00, 0x3e, 0x3d, 0x60, 0x00, 0xfd,
        ]);
        // JUMPDEST, PUSH1 answer, PUSH1 0, RETURN
        program.extend([0x5b, 0x60, answer, 0x60, 0x00, 0xf3]);
        debug_assert_eq!(program.len(), PROGRAM);
        program.extend_from_slice(&self.deployment);
        program.extend_from_slice(call);
        program.into()
    }
}

/// A length or offset in two bytes. Signatures were limited far below 64 KiB before.
fn two_bytes(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped() -> WrappedSignature {
        WrappedSignature {
            factory: ALLOWED[1],
            deployment: Bytes::from_static(b"deploy"),
            signature: Bytes::from_static(b"sign"),
        }
    }

    #[test]
    fn a_wrapped_signature_is_unwrapped_and_a_malformed_one_is_an_error() {
        let one = wrapped();
        let parts = (one.factory, one.deployment.clone(), one.signature.clone());
        let text = [&parts.abi_encode_params()[..], &MAGIC].concat();
        assert_eq!(WrappedSignature::read(&text), Ok(Some(one)));
        assert_eq!(WrappedSignature::read(&[7; 65]), Ok(None));
        assert_eq!(
            WrappedSignature::read(&[&[7; 40][..], &MAGIC].concat()),
            Err(MalformedSignature)
        );
    }

    #[test]
    fn the_creation_code_is_followed_by_the_data_that_it_copies() {
        let code = wrapped().deploy_and_call(Address::ZERO, b"call", 32);
        assert!(code.ends_with(b"deploycall"));
        assert_eq!(code.len(), 106 + 10);
    }
}
