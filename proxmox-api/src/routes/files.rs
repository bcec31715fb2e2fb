//! `/lease/{lease}/files`: the files of a lease's container, for its owner. A file's content is the
//! raw body, of any size; it is written under another name first and renamed when it is whole.

mod range;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use ::guest::{FileKind, FileStat, Guest, WriteOptions};
use api_types::{
    DirectoryView, ErrorCode, FieldError, FileAction, FileChange, WrittenFile,
    limits::is_absolute_path,
};
use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures_util::TryStreamExt as _;
use serde::Deserialize;
use service::{crypto::Sha256, request_id::RequestId, serve::BodyTimeout};

use self::range::FilePart;
use super::{Body as WholeBody, Query, commands::active_lease, limited, no_store, private};
use crate::{
    App,
    error::ApiError,
    lease::guest::{connect, files},
    memory::transfers::TransferPermit,
    paywall::body,
    sessions::WalletSession,
};

const PATH_RULE: &str = "has to be an absolute path of at most 4095 bytes without a NUL character";
/// Entries of a directory that are listed.
const MOST_ENTRIES: usize = 10_000;

/// The routes.
pub fn router(app: &App) -> Router<App> {
    let routes = Router::new().route(
        "/lease/{lease}/files",
        get(read)
            .put(write)
            .layer(DefaultBodyLimit::disable())
            .post(change)
            .delete(remove),
    );
    limited::per_caller(routes, app)
}

/// An SSH connection into the container, for the lease's owner while the paid time runs, and a
/// permit among the transfers.
async fn begin(
    app: &App,
    session: &WalletSession,
    lease: &str,
) -> Result<(Guest, TransferPermit), ApiError> {
    let lease = active_lease(app, &session.wallet, lease).await?;
    let permit = app.transfers.begin(&lease.lease_id).ok_or_else(|| {
        let message = "Too many files are read or written at this moment.";
        ApiError::new(ErrorCode::RateLimited, message).retry_after(5)
    })?;
    Ok((connect::ssh_only(app, &lease).await?, permit))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadQuery {
    path: String,
    /// What the file is, in place of its content.
    #[serde(default)]
    about: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteQuery {
    path: String,
    /// Permissions in octal digits.
    mode: Option<String>,
    /// The directories above it are made where they are missing.
    #[serde(default)]
    parents: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoveQuery {
    path: String,
    #[serde(default)]
    recursive: bool,
}

async fn read(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
    Query(query): Query<ReadQuery>,
    headers: HeaderMap,
) -> Response {
    let found = async {
        let path = checked_path(&query.path, "path")?;
        let (guest, permit) = begin(&app, &session, &lease).await?;
        let stat = guest.stat(path).await?;
        if query.about {
            let name = path.rsplit('/').next().unwrap_or_default();
            return Ok(Json(files::view(name, &stat)).into_response());
        }
        match stat.kind {
            FileKind::Directory => list(&guest, path).await,
            _ => content(&guest, path, &stat, &headers, permit).await,
        }
    };
    found
        .await
        .map_or_else(|error: ApiError| error.respond(&id), no_store)
}

async fn list(guest: &Guest, path: &str) -> Result<Response, ApiError> {
    let listing = guest.list(path, MOST_ENTRIES).await?;
    let directory = DirectoryView {
        path: path.to_owned(),
        entries: listing.entries.iter().map(files::view_entry).collect(),
        truncated: listing.truncated,
    };
    Ok(Json(directory).into_response())
}

/// A file's content, or the range of it that is asked for. A file that becomes shorter while it is
/// read ends the response before its announced length, which clients see as an error.
async fn content(
    guest: &Guest,
    path: &str,
    stat: &FileStat,
    headers: &HeaderMap,
    permit: TransferPermit,
) -> Result<Response, ApiError> {
    let size = stat.size;
    let part = match range::requested(headers, size) {
        FilePart::Bytes(part) => Some(part),
        FilePart::Whole => None,
        FilePart::NotSatisfiable if stat.kind == FileKind::File => {
            return Ok(not_satisfiable(size));
        }
        // Reading it tells what it is.
        FilePart::NotSatisfiable => None,
    };
    let (offset, length) = match &part {
        Some(part) => (*part.start(), Some(part.end() - part.start() + 1)),
        // A file that grew since is sent in the length that is announced.
        None if size > 0 => (0, Some(size)),
        None => (0, None),
    };
    let reader = guest.read_file(path, offset, length).await?;
    let stream = reader.into_stream().map_err(move |error| {
        // The permit is held for as long as the content is read.
        let _held = &permit;
        io::Error::other(error)
    });
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    // Browsers must not run what a container serves as a page of this service.
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    let attachment = HeaderValue::from_static("attachment");
    headers.insert(header::CONTENT_DISPOSITION, attachment);
    let bytes = HeaderValue::from_static("bytes");
    headers.insert(header::ACCEPT_RANGES, bytes);
    // Those in /proc have no length and some content.
    if size > 0 {
        headers.insert(header::CONTENT_LENGTH, length.unwrap_or(size).into());
    }
    if let Some(part) = part {
        let text = format!("bytes {}-{}/{size}", part.start(), part.end());
        if let Ok(value) = text.parse() {
            headers.insert(header::CONTENT_RANGE, value);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

fn not_satisfiable(size: u64) -> Response {
    let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    if let Ok(value) = format!("bytes */{size}").parse() {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

async fn write(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
    Query(query): Query<WriteQuery>,
    request: Request,
) -> Response {
    let written = async {
        let path = checked_path(&query.path, "path")?;
        let options = WriteOptions {
            mode: query.mode.as_deref().map(checked_mode).transpose()?,
            parents: query.parents,
            max_bytes: u64::MAX,
        };
        let (guest, _permit) = begin(&app, &session, &lease).await?;
        // A large file takes longer than other bodies may; a client that stalls is still cut off.
        if let Some(timeout) = request.extensions().get::<BodyTimeout>() {
            timeout.renew_with_each_chunk();
        }
        let digest = Arc::new(Mutex::new(Sha256::default()));
        let digested = digest.clone();
        let source = request.into_body().into_data_stream();
        let source = source.inspect_ok(move |bytes: &Bytes| {
            let mut digest = digested.lock().unwrap_or_else(PoisonError::into_inner);
            digest.update(bytes);
        });
        let size = guest.write_file(path, source, options).await?;
        let digest = std::mem::take(&mut *digest.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(WrittenFile {
            path: path.to_owned(),
            size,
            sha256: digest.finish_hex(),
        })
    };
    private::<WrittenFile>(&id, written.await)
}

async fn change(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
    WholeBody(bytes): WholeBody,
) -> Response {
    let changed = async {
        let change: FileChange = body::read(&bytes, checked_change)?;
        let (guest, _permit) = begin(&app, &session, &lease).await?;
        match (change.action, &change.to) {
            (FileAction::Move, Some(to)) => guest.rename(&change.path, to, true).await?,
            _ => guest.make_dir(&change.path, true).await?,
        }
        Ok::<_, ApiError>(())
    };
    match changed.await {
        Ok(()) => no_store(StatusCode::NO_CONTENT.into_response()),
        Err(error) => error.respond(&id),
    }
}

fn checked_change(change: &FileChange) -> Result<(), Vec<FieldError>> {
    let mut refused = Vec::new();
    if !is_absolute_path(&change.path) {
        refused.push(FieldError::new("path", PATH_RULE));
    }
    let fits = match (change.action, &change.to) {
        (FileAction::Move, Some(to)) => is_absolute_path(to),
        (FileAction::Move, None) => false,
        (FileAction::MakeDirectory, to) => to.is_none(),
    };
    if !fits {
        let message = "has to be an absolute path for a move, and absent otherwise";
        refused.push(FieldError::new("to", message));
    }
    if refused.is_empty() {
        Ok(())
    } else {
        Err(refused)
    }
}

async fn remove(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
    Query(query): Query<RemoveQuery>,
) -> Response {
    let removed = async {
        let path = checked_path(&query.path, "path")?;
        let (guest, _permit) = begin(&app, &session, &lease).await?;
        guest.remove(path, query.recursive).await?;
        Ok::<_, ApiError>(())
    };
    match removed.await {
        Ok(()) => no_store(StatusCode::NO_CONTENT.into_response()),
        Err(error) => error.respond(&id),
    }
}

fn checked_path<'a>(path: &'a str, field: &'static str) -> Result<&'a str, ApiError> {
    if is_absolute_path(path) {
        return Ok(path);
    }
    Err(ApiError::invalid(vec![FieldError::new(field, PATH_RULE)]))
}

fn checked_mode(text: &str) -> Result<u32, ApiError> {
    let mode = u32::from_str_radix(text, 8).ok();
    mode.filter(|mode| *mode <= 0o7777).ok_or_else(|| {
        let message = "has to be permissions in octal digits, such as 644";
        ApiError::invalid(vec![FieldError::new("mode", message)])
    })
}
