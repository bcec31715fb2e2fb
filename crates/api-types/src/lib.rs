//! The words that server, agent and user interface exchange: request and answer bodies, limits,
//! the one price formula and the error envelope.
//!
//! Layout: [`money`] and [`time`] are the value types; [`limits`] says what may be asked for and
//! [`price`] what it costs; [`lease`], [`management`], [`quote`], [`catalog`], [`stats`],
//! [`usage`], [`session`], [`payment`], [`credit`], [`keys`], [`ports`] and [`ssh`] hold the
//! bodies of the routes, [`chat`] those of the agent; [`error`] is what every refusal looks like. Nothing here reads a clock, a file or the
//! network, so the crate builds for WebAssembly as it is. Fields that the interface does not read
//! yet are left out there (`target_family = "wasm"`), because a first visit pays for each. With the
//! feature `schema` every type also describes itself as a JSON Schema.

#[cfg(feature = "schema")]
mod any_json;
pub mod catalog;
pub mod chat;
pub mod commands;
pub mod credit;
pub mod demo;
pub mod error;
pub mod files;
pub mod keys;
pub mod lease;
pub mod limits;
pub mod management;
pub mod money;
pub mod payment;
pub mod ports;
pub mod price;
pub mod quote;
pub mod session;
pub mod ssh;
pub mod stats;
pub mod time;
pub mod usage;

pub use ::secret::{self, Secret};
pub use catalog::{Catalog, Template};
pub use chat::{
    AgentInfo, ChatEvent, ChatMessage, ChatRequest, ChatResponse, ChatRole, ChatSecrets,
    PaymentRequest, SuspendedCall, SuspendedLease,
};
pub use commands::{CommandList, CommandOutput, CommandSignal, CommandState, CommandView};
pub use credit::{
    CreditDirection, CreditEntries, CreditEntry, CreditEntryKind, CreditResponse, CreditShortfall,
    TopUpRequest, TopUpResponse, TopUpTerms,
};
pub use demo::{FaucetRequest, FaucetResponse};
pub use error::{ErrorBody, ErrorCode, ErrorDetails, ErrorEnvelope, FieldError};
pub use files::{DirectoryView, FileAction, FileChange, FileKind, FileView, WrittenFile};
pub use keys::{KeyChange, KeyCreated, KeyList, KeyRequest, KeyScope, KeyView, NewKey};
pub use lease::{
    GuestAccess, LeaseRequest, LeaseResponse, LeaseStatus, LeaseView, ListResponse, PaymentReceipt,
    RenewRequest, RenewResponse,
};
pub use limits::{Bounds, Limits};
pub use management::{
    ConsoleControl, ConsoleOpened, ConsoleOpening, ConsoleResponse, ConsoleType, ExecRequest,
    ExecResponse, GuestRoute, OpenConsole,
};
pub use money::{Overflow, ParseUsdcError, Usdc};
pub use payment::{PaymentState, PaymentView, PaymentsResponse};
pub use ports::{PortAccess, PortList, PortRequest, PortView, PortVisit};
pub use price::{LineItem, Price, Size, Tariff};
pub use quote::QuoteResponse;
pub use session::{SessionChallenge, SessionChallengeRequest, SessionRequest, SessionResponse};
pub use ssh::{SshAccess, SshJumpHost, SshKeyList, SshKeyRequest, SshKeyView};
pub use stats::{ContainerStats, LxcStats, NodeStats, NodeUsage};
pub use time::{ParseTimestampError, Timestamp};
pub use usage::{TrafficStep, TrafficUsage, UsageNow, UsagePoint, UsageResponse, UsageTimeframe};
