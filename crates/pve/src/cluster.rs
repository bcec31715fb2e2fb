//! Requests about the whole cluster: all guests, free numbers, pools.

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::client::Client;
use crate::error::{ApiCall, Error};
use crate::ids::{NodeName, Vmid};
use crate::lenient;
use crate::lxc::ContainerState;
use crate::path::ApiPath;

/// A guest in the cluster's overview (`GET /cluster/resources?type=vm`). The figures are some 10
/// seconds old, and a new guest has no name and an unknown state at first; lock, pool and tags are
/// current.
#[derive(Clone, Debug, Deserialize)]
pub struct GuestResource {
    /// The number.
    pub vmid: Vmid,
    /// Where it is.
    pub node: NodeName,
    /// `lxc` or `qemu`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Running or not.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub status: ContainerState,
    /// The host name, unless it is new.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub name: Option<String>,
    /// The pool, if we may audit it.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub pool: Option<String>,
    /// The operation that holds the guest, such as `create`.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub lock: Option<String>,
    /// The tags.
    #[serde(default, deserialize_with = "lenient::comma_list")]
    pub tags: Vec<String>,
    /// A template cannot be started.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub template: bool,
    /// Fraction of the guest's own processors in use.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub cpu: Option<f64>,
    /// Processors.
    #[serde(default, deserialize_with = "lenient::opt_f64")]
    pub maxcpu: Option<f64>,
    /// Memory in use, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub mem: Option<u64>,
    /// Memory limit, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub maxmem: Option<u64>,
    /// Root disk in use, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub disk: Option<u64>,
    /// Root disk size, bytes.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub maxdisk: Option<u64>,
    /// Bytes received.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub netin: Option<u64>,
    /// Bytes sent.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub netout: Option<u64>,
    /// Seconds since start.
    #[serde(default, deserialize_with = "lenient::opt_u64")]
    pub uptime: Option<u64>,
}

/// A resource pool and what is in it.
#[derive(Clone, Debug, Deserialize)]
pub struct Pool {
    /// The name.
    pub poolid: String,
    /// The operator's note.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub comment: Option<String>,
    /// Containers of the pool that we may audit; empty in a list of pools.
    #[serde(default, deserialize_with = "lenient::list_or_null")]
    pub members: Vec<PoolMember>,
}

/// A container in a pool.
#[derive(Clone, Debug, Deserialize)]
pub struct PoolMember {
    /// The number; none for a storage.
    #[serde(default, deserialize_with = "opt_vmid")]
    pub vmid: Option<Vmid>,
    /// Where it is.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub node: Option<String>,
    /// `lxc`, `qemu` or `storage`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Running or not, some 10 seconds old.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub status: ContainerState,
    /// The host name, unless it is new.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub name: Option<String>,
}

fn opt_vmid<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vmid>, D::Error> {
    Ok(lenient::opt_u64(deserializer)?.and_then(|n| Vmid::try_from(n).ok()))
}

impl Client {
    /// All guests that we may audit, on all nodes.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn resources(&self) -> Result<Vec<GuestResource>, Error> {
        let guests: Vec<Value> = self
            .get(
                ApiPath::new("/cluster/resources"),
                vec![("type".into(), "vm".into())],
            )
            .await?;
        // A guest without a node, or one that is half created, must not hide all others.
        let (mut readable, mut left_out, mut first) = (Vec::new(), 0_u32, None);
        for guest in guests {
            match serde_json::from_value(guest) {
                Ok(guest) => readable.push(guest),
                Err(error) => {
                    left_out += 1;
                    first.get_or_insert(error);
                }
            }
        }
        if let Some(error) = first {
            tracing::warn!(%error, left_out, "guests of the cluster's list are left out");
        }
        Ok(readable)
    }

    /// A number that is free at this moment; nothing reserves it. With `wanted`, asks whether that
    /// one is free.
    ///
    /// # Errors
    /// [`crate::Refusal::VmidTaken`] when the wanted number is not free; see [`Error`].
    pub async fn next_id(&self, wanted: Option<Vmid>) -> Result<Vmid, Error> {
        let params = wanted
            .map(|vmid| ("vmid".to_owned(), vmid.to_string()))
            .into_iter()
            .collect();
        self.get(ApiPath::new("/cluster/nextid"), params).await
    }

    /// The pools that we may audit, without their members.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn pools(&self) -> Result<Vec<Pool>, Error> {
        self.get(ApiPath::new("/pools"), Vec::new()).await
    }

    /// One pool with its containers.
    ///
    /// # Errors
    /// See [`Error`]; a pool that does not exist is refused.
    pub async fn pool(&self, poolid: &str) -> Result<Pool, Error> {
        let path = ApiPath::new("/pools");
        let call = ApiCall::new(Method::GET, path.as_str());
        let params = vec![
            ("poolid".to_owned(), poolid.to_owned()),
            ("type".to_owned(), "lxc".to_owned()),
        ];
        let data: Value = self.get(path, params).await?;
        let only = match data {
            Value::Array(mut pools) if pools.len() == 1 => pools.remove(0),
            other => other,
        };
        let mut pool: Pool = serde_json::from_value(only).map_err(|e| Error::Decode {
            call,
            cause: e.to_string(),
        })?;
        pool.members.retain(|member| member.kind == "lxc");
        Ok(pool)
    }
}
