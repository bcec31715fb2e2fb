//! Who is paid, on which chain, through whom, and what a settlement may cost.

use service::env::schema::{Group, Variable};

pub(in crate::config) static PAYMENTS: Group = Group {
    title: "Payments",
    variables: &[
        &ADDRESS,
        &NETWORK,
        &FACILITATOR,
        &RPC_URL,
        &CONFIRMATIONS,
        &GAS_KEY,
        &GAS_MAX_FEE_GWEI,
        &GAS_LIMIT_ORDINARY,
        &GAS_LIMIT_CONTRACT,
        &GAS_COIN_USD,
        &MIN_DEPLOY_PRICE,
        &CDP_API_KEY_ID,
        &CDP_API_KEY_SECRET,
        &FACILITATOR_TIMEOUT_SECONDS,
        &ANNOUNCE_UPFRONT,
        &MAX_RESERVED_PER_WALLET,
    ],
};
pub(in crate::config) static ADDRESS: Variable = Variable::required(
    "ADDRESS",
    "0x…  # the address of your wallet",
    "Who is paid: an EVM address.",
);
pub(in crate::config) static NETWORK: Variable = Variable::with_default(
    "NETWORK",
    "base-sepolia",
    "Where it is paid: base-sepolia, base, avalanche-fuji, avalanche, or a CAIP-2 id such as eip155:8453.",
);
pub(in crate::config) static FACILITATOR: Variable = Variable::with_default(
    "FACILITATOR",
    "https://x402.org/facilitator",
    "Who verifies and settles: a facilitator's URL, cdp (Coinbase), onchain (a gas key and a node of one's own) or demo (play money). \
     The default serves test networks only.",
);
pub(in crate::config) static RPC_URL: Variable = Variable::optional(
    "RPC_URL",
    "a payment whose outcome the facilitator does not tell stays unresolved until a person decides, and wallets that are \
     contracts cannot sign in",
    "https://sepolia.base.org",
    "A node of the network: what became of a payment is asked there. Needed where FACILITATOR is onchain.",
);
pub(in crate::config) static CONFIRMATIONS: Variable = Variable::optional(
    "CONFIRMATIONS",
    "as the network needs: 1 on Base, OP Mainnet, Arbitrum and Avalanche, 2 on Ethereum, 3 on Polygon",
    "3",
    "Blocks, its own included, after which a transfer counts as made, 1 to 64.",
);
pub(in crate::config) static GAS_MAX_FEE_GWEI: Variable = Variable::with_default(
    "GAS_MAX_FEE_GWEI",
    "200",
    "The most that is offered for a unit of gas, in gwei; while the chain wants more, payments are refused with 503.",
);
pub(in crate::config) static GAS_LIMIT_ORDINARY: Variable = Variable::with_default(
    "GAS_LIMIT_ORDINARY",
    "150000",
    "Units of gas for the settlement of an account that signs with its key, 60000 to 5000000. On Arbitrum the price of      Ethereum's space counts as gas, so more may be needed there.",
);
pub(in crate::config) static GAS_LIMIT_CONTRACT: Variable = Variable::with_default(
    "GAS_LIMIT_CONTRACT",
    "300000",
    "Units of gas for the settlement of a wallet that is a contract, which runs its own code at the gas key's cost.",
);
pub(in crate::config) static GAS_COIN_USD: Variable = Variable::optional(
    "GAS_COIN_USD",
    "a high estimate: 5000 for Ether, 50 for AVAX, 1 for POL, 0 on test networks",
    "3000",
    "What a coin for gas costs, in whole US dollars: wallets that are contracts are refused where their gas beyond an ordinary      transfer's costs more than half of what they pay. 0 compares nothing.",
);
pub(in crate::config) static MIN_DEPLOY_PRICE: Variable = Variable::with_default(
    "MIN_DEPLOY_PRICE",
    "100000",
    "What a payment has to be worth for its wallet to be deployed with it (ERC-6492, Coinbase's factories), in atomic USDC.",
);
pub(in crate::config) static GAS_KEY: Variable = Variable::optional(
    "GAS_KEY",
    "FACILITATOR cannot be onchain",
    "0x and 64 hexadecimal digits",
    "The private key that sends the transfers and pays for gas, where FACILITATOR is onchain.",
)
.secret();
pub(in crate::config) static CDP_API_KEY_ID: Variable = Variable::optional(
    "CDP_API_KEY_ID",
    "FACILITATOR cannot be cdp",
    "the id of a Coinbase API key",
    "The id of a Coinbase API key, where FACILITATOR is cdp.",
);
pub(in crate::config) static CDP_API_KEY_SECRET: Variable = Variable::optional(
    "CDP_API_KEY_SECRET",
    "FACILITATOR cannot be cdp",
    "the secret of a Coinbase API key",
    "The secret of that key.",
)
.secret();
pub(in crate::config) static FACILITATOR_TIMEOUT_SECONDS: Variable = Variable::with_default(
    "FACILITATOR_TIMEOUT_SECONDS",
    "60",
    "Seconds that a settlement may take before its outcome counts as unknown, 1 to 240.",
);
pub(in crate::config) static ANNOUNCE_UPFRONT: Variable = Variable::with_default(
    "ANNOUNCE_UPFRONT",
    "true",
    "Whether challenges say that calls are settled before they are performed.",
);
pub(in crate::config) static MAX_RESERVED_PER_WALLET: Variable = Variable::with_default(
    "MAX_RESERVED_PER_WALLET",
    "50000000",
    "What payments of one wallet may wait to be settled, in atomic USDC (six decimals).",
);
