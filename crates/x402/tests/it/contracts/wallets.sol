// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// Wallets and a factory for tests of what contracts may do to a facilitator. `wallets.json` holds
// their code as solc 0.8.28 makes it (optimizer on, 200 runs, EVM version paris, no metadata), by name:
// `creation` and `runtime`.

bytes4 constant YES = 0x1626ba7e;
bytes4 constant NO = 0xffffffff;

/// Takes every signature for its own, and makes several calls in one transaction.
contract OpenWallet {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return YES;
    }

    function batch(address to, bytes[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool done, ) = to.call(calls[i]);
            require(done, "a call of the batch failed");
        }
    }
}

/// Takes the signatures of one key for its own.
contract KeyWallet {
    address private immutable key;

    constructor(address key_) {
        key = key_;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        if (signature.length != 65) return NO;
        bytes32 r = bytes32(signature[:32]);
        bytes32 s = bytes32(signature[32:64]);
        return ecrecover(hash, uint8(signature[64]), r, s) == key ? YES : NO;
    }
}

/// Deploys key wallets at addresses that are known before.
contract Factory {
    function deploy(address key) external returns (address) {
        address known = at(key);
        if (known.code.length > 0) return known;
        return address(new KeyWallet{salt: 0}(key));
    }

    function at(address key) public view returns (address) {
        bytes32 code = keccak256(abi.encodePacked(type(KeyWallet).creationCode, abi.encode(key)));
        bytes32 hash = keccak256(abi.encodePacked(bytes1(0xff), address(this), bytes32(0), code));
        return address(uint160(uint256(hash)));
    }
}

/// Says yes after 400,000 units of gas.
contract HeavyWallet {
    function isValidSignature(bytes32, bytes calldata) external view virtual returns (bytes4) {
        burn();
        return YES;
    }

    function burn() internal view {
        uint256 start = gasleft();
        while (start - gasleft() < 400_000) {}
    }
}

/// The same, but only where gas has a price: a simulation without one finds it cheap.
contract SlyWallet is HeavyWallet {
    function isValidSignature(bytes32, bytes calldata) external view override returns (bytes4) {
        if (tx.gasprice > 0) burn();
        return YES;
    }
}
