//! The archive against a disk that fails at every step, and against real S3 stores.

#[path = "it/erase.rs"]
mod erase;
#[path = "it/erase_tenant.rs"]
mod erase_tenant;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/hold.rs"]
mod hold;
#[path = "it/layout.rs"]
mod layout;
#[path = "it/proxy.rs"]
mod proxy;
#[path = "it/s3.rs"]
mod s3;
#[path = "it/s3_double.rs"]
mod s3_double;
#[path = "it/s3_faults.rs"]
mod s3_faults;
#[path = "it/s3_orders.rs"]
mod s3_orders;
#[path = "it/s3_roles.rs"]
mod s3_roles;
#[path = "it/s3_versions.rs"]
mod s3_versions;
#[path = "it/withhold.rs"]
mod withhold;

/// Every file in `tests/it` is a module above: a forgotten one would test nothing.
#[test]
fn no_file_is_forgotten() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let known = [
        "erase.rs",
        "erase_tenant.rs",
        "faults.rs",
        "hold.rs",
        "layout.rs",
        "proxy.rs",
        "s3.rs",
        "s3_double.rs",
        "s3_faults.rs",
        "s3_orders.rs",
        "s3_roles.rs",
        "s3_versions.rs",
        "withhold.rs",
    ];
    assert_eq!(files, known);
}
