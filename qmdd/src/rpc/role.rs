//! Roles, to and from the API.

use qmd_proto::v1::ModelRole;
use tonic::Status;

use super::status;
use crate::domain::Role;

/// A role as the API names it.
pub(super) fn to_proto(role: Role) -> ModelRole {
    match role {
        Role::Embed => ModelRole::Embed,
        Role::Rerank => ModelRole::Rerank,
        Role::Generate => ModelRole::Generate,
    }
}

/// The role, unless it is left open.
pub(super) fn from_proto(role: ModelRole) -> Option<Role> {
    match role {
        ModelRole::Unspecified => None,
        ModelRole::Embed => Some(Role::Embed),
        ModelRole::Rerank => Some(Role::Rerank),
        ModelRole::Generate => Some(Role::Generate),
    }
}

/// The roles a request names; all of them when it names none.
///
/// # Errors
/// On a number that is no role.
pub(super) fn all_of(numbers: &[i32]) -> Result<Vec<Role>, Status> {
    if numbers.is_empty() {
        return Ok(Role::ALL.to_vec());
    }
    let role = |number: &i32| {
        ModelRole::try_from(*number)
            .ok()
            .and_then(from_proto)
            .ok_or_else(|| status::invalid(format!("no role {number}")))
    };
    numbers.iter().map(role).collect()
}
