//! What is deployed, carried along so that an installed program needs no checkout.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use tempfile::TempDir;

macro_rules! carried {
    ($($name:literal),+ $(,)?) => {
        /// Files by their path below `modal/`.
        const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../../modal/", $name)))),+];
    };
}

carried! {
    "requirements.txt",
    "serve.py",
    "qmd_modal/__init__.py",
    "qmd_modal/__main__.py",
    "qmd_modal/bake.py",
    "qmd_modal/bodies.py",
    "qmd_modal/child.py",
    "qmd_modal/container.py",
    "qmd_modal/contract.py",
    "qmd_modal/deployment.py",
    "qmd_modal/gateway.py",
    "qmd_modal/gguf.py",
    "qmd_modal/inference.py",
    "qmd_modal/llama.py",
    "qmd_modal/model.py",
    "qmd_modal/resolve.py",
    "qmd_modal/role.py",
    "qmd_modal/settings.py",
    "qmd_modal/supervisor.py",
    "qmd_modal/tether.py",
}

/// Unpacks them into a folder that is this user's alone and goes when it is dropped.
pub(super) fn unpack() -> io::Result<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("qmd-modal-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()?;
    for (name, text) in FILES {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap_or(Path::new("/")))?;
        fs::write(file, text)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn every_file_of_the_package_is_carried() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../modal/qmd_modal");
        for entry in fs::read_dir(package).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if Path::new(&name).extension().is_some_and(|it| it == "py") {
                let carried = FILES
                    .iter()
                    .any(|(file, _)| *file == format!("qmd_modal/{name}"));
                assert!(carried, "{name}");
            }
        }
    }

    #[test]
    fn they_are_unpacked_for_this_user_alone_and_go() {
        let folder = unpack().unwrap();
        let path = folder.path().to_owned();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        assert!(path.join("serve.py").is_file());
        assert!(path.join("qmd_modal/resolve.py").is_file());
        drop(folder);
        assert!(!path.exists());
    }
}
