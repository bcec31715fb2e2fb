//! Whether the store can be written where it is told to be.

use std::path::Path;

use super::Finding;
use crate::store::{Condition, condition};

/// Looks at the file, or at the folder where it will be made.
pub(super) fn examine(path: &Path) -> Finding {
    const CHECK: &str = "store";
    let shown = path.display();
    let expected = format!("the store {shown} can be written");
    match condition(path) {
        Ok(Condition::Fresh) => Finding::ok(CHECK, &expected, "it will be made at the first start"),
        Ok(Condition::InOrder) => Finding::ok(CHECK, &expected, "it can"),
        Ok(Condition::Older) => Finding::ok(
            CHECK,
            &expected,
            "it can, and is brought up to date at the next start",
        ),
        Ok(Condition::Newer) => Finding::error(
            CHECK,
            &expected,
            "a newer release of this service has written it",
        )
        .mend("install that release again, or restore the backup made before the upgrade"),
        Err(error) => {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new(".")).display();
            Finding::error(CHECK, &expected, error.to_string())
                .mend(format!("mkdir -p {folder} && chown \"$(id -un)\" {folder}  # as the user that runs the service"))
                .mend("DATABASE=/var/lib/infra402/leases.sqlite  # a folder that it may write to")
        }
    }
}
