//! Changes of measurement, classified by the set of registers that moved.
//!
//! What a register means is data: [`RegisterNames`] says it, a policy can rename, and the rules
//! speak of roles only. A change is judged against what was shown before and against what baselines
//! know of the new values; it never reads a clock, so whether an approval is in its window is told
//! by the caller.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::fmt;

use crate::baseline::Standing;
use crate::register::Register;

/// What a register stands for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// The whole image.
    Image,
    /// Kernel and bootstrap.
    Kernel,
    /// The application.
    Application,
    /// The role of the parent instance.
    ParentRole,
    /// The parent instance.
    ParentInstance,
    /// The certificate that signed the image.
    SigningCertificate,
}

/// Which register has which role, and what people call it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegisterNames {
    roles: BTreeMap<u8, Role>,
    names: BTreeMap<u8, String>,
}

/// Why registers cannot be named so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NamesError {
    /// Two registers would have this role.
    RoleTwice {
        /// The role.
        role: Role,
    },
    /// No register would have this role, which the rules need.
    RoleMissing {
        /// The role.
        role: Role,
    },
}

impl fmt::Display for NamesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoleTwice { role } => write!(f, "two registers are the {role}"),
            Self::RoleMissing { role } => write!(f, "no register is the {role}"),
        }
    }
}

impl core::error::Error for NamesError {}

impl Role {
    /// Every role, in the order of the registers of Nitro.
    pub const ALL: [Self; 6] = [
        Self::Image,
        Self::Kernel,
        Self::Application,
        Self::ParentRole,
        Self::ParentInstance,
        Self::SigningCertificate,
    ];

    /// Its name in files and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Kernel => "kernel",
            Self::Application => "application",
            Self::ParentRole => "parent-role",
            Self::ParentInstance => "parent-instance",
            Self::SigningCertificate => "signing-certificate",
        }
    }

    /// Whether this is about code, not about where it runs.
    const fn is_code(self) -> bool {
        match self {
            Self::Image | Self::Kernel | Self::Application | Self::SigningCertificate => true,
            Self::ParentRole | Self::ParentInstance => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl RegisterNames {
    /// The registers of a Nitro enclave (AWS, "PCR contents").
    pub fn nitro() -> Self {
        let roles = [0, 1, 2, 3, 4, 8].into_iter().zip(Role::ALL).collect();
        Self { roles, names: BTreeMap::new() }
    }

    /// The same with other roles for some registers, and other words for some.
    ///
    /// # Errors
    /// When a role would be there twice, or image, kernel or application not at all.
    pub fn renamed(
        mut self,
        roles: BTreeMap<u8, Role>,
        names: BTreeMap<u8, String>,
    ) -> Result<Self, NamesError> {
        let given: BTreeSet<Role> = roles.values().copied().collect();
        // A role that was given to another register has left its old one.
        self.roles.retain(|_, role| !given.contains(role));
        if let Some((_, role)) = first_twice(&roles) {
            return Err(NamesError::RoleTwice { role });
        }
        self.roles.extend(roles);
        for role in [Role::Image, Role::Kernel, Role::Application] {
            if self.register(role).is_none() {
                return Err(NamesError::RoleMissing { role });
            }
        }
        self.names.extend(names);
        Ok(self)
    }

    /// The register of a role.
    pub fn register(&self, role: Role) -> Option<u8> {
        self.roles.iter().find_map(|(index, found)| (*found == role).then_some(*index))
    }

    /// The role of a register.
    pub fn role(&self, index: u8) -> Option<Role> {
        self.roles.get(&index).copied()
    }

    /// What people call a register: the word of the policy, else its role, else nothing.
    pub fn name(&self, index: u8) -> Option<&str> {
        let word = self.names.get(&index).map(String::as_str);
        word.or_else(|| self.role(index).map(Role::as_str))
    }
}

fn first_twice(roles: &BTreeMap<u8, Role>) -> Option<(u8, Role)> {
    let mut seen = BTreeSet::new();
    roles.iter().map(|(index, role)| (*index, *role)).find(|(_, role)| !seen.insert(*role))
}

/// What has become of the evidence that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer<'a> {
    /// Genuine evidence with these registers.
    Shown(&'a BTreeMap<u8, Register>),
    /// Genuine evidence, too old or under another nonce.
    Replayed,
    /// The TEE answered that its evidence device fails.
    DeviceFailed,
    /// Nobody answered, or collateral could not be had.
    Unreachable,
}

/// What happened.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Change {
    /// Nothing moved.
    Match,
    /// Code moved, to values that are approved now.
    AuthorisedChange,
    /// Image, kernel and application are all zero: the host can read the machine.
    DebugMode,
    /// The answer is to another question, or too old.
    Replay,
    /// Values that no baseline ever had.
    ModifiedCode,
    /// Values that are known and not approved now.
    UnauthorisedDeployment,
    /// Kernel or bootstrap moved, and the application did not.
    KernelOrBootChanged,
    /// The application moved and the image that contains it did not: somebody is mistaken or lies.
    Inconsistent,
    /// The parent instance has another role.
    RoleChanged,
    /// The same code on another parent instance.
    MovedInstance,
    /// Anything else.
    UnauthorisedCode,
    /// The evidence device fails.
    HardwareFailure,
    /// The monitor or its collateral is not reachable. Never a mismatch.
    Outage,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Match,
        Self::AuthorisedChange,
        Self::DebugMode,
        Self::Replay,
        Self::ModifiedCode,
        Self::UnauthorisedDeployment,
        Self::KernelOrBootChanged,
        Self::Inconsistent,
        Self::RoleChanged,
        Self::MovedInstance,
        Self::UnauthorisedCode,
        Self::HardwareFailure,
        Self::Outage,
    ];

    /// Its name in files, metrics and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::AuthorisedChange => "authorised-change",
            Self::DebugMode => "debug-mode",
            Self::Replay => "replay",
            Self::ModifiedCode => "modified-code",
            Self::UnauthorisedDeployment => "unauthorised-deployment",
            Self::KernelOrBootChanged => "kernel-or-boot-changed",
            Self::Inconsistent => "inconsistent",
            Self::RoleChanged => "role-changed",
            Self::MovedInstance => "moved-instance",
            Self::UnauthorisedCode => "unauthorised-code",
            Self::HardwareFailure => "hardware-failure",
            Self::Outage => "outage",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Classifies what was answered, against the registers that were expected.
///
/// `expected` are the values that the machine should show now; what it does not name is not
/// compared. `standing` is what baselines know of the values shown, taken together: values that are
/// mixed from several versions are [`Standing::Unknown`].
pub fn classify(
    names: &RegisterNames,
    expected: &BTreeMap<u8, Register>,
    answer: Answer<'_>,
    standing: &Standing,
) -> Change {
    let shown = match answer {
        Answer::Unreachable => return Change::Outage,
        Answer::DeviceFailed => return Change::HardwareFailure,
        Answer::Replayed => return Change::Replay,
        Answer::Shown(shown) => shown,
    };
    if is_debug(names, shown) {
        return Change::DebugMode;
    }
    let moved: BTreeSet<u8> = expected
        .iter()
        .filter(|(index, want)| shown.get(index) != Some(want))
        .map(|(index, _)| *index)
        .collect();
    if moved.is_empty() {
        return Change::Match;
    }
    by_what_moved(names, &moved, standing)
}

fn by_what_moved(names: &RegisterNames, moved: &BTreeSet<u8>, standing: &Standing) -> Change {
    let roles: BTreeSet<Option<Role>> = moved.iter().map(|index| names.role(*index)).collect();
    let has = |role| roles.contains(&Some(role));
    let only = |role| roles.len() == 1 && has(role);
    if only(Role::ParentRole) {
        return Change::RoleChanged;
    }
    if only(Role::ParentInstance) {
        return Change::MovedInstance;
    }
    // The application is part of the image; no approval can make this true.
    if has(Role::Application) && !has(Role::Image) {
        return Change::Inconsistent;
    }
    let code_only = roles.iter().all(|role| role.is_some_and(Role::is_code));
    match standing {
        Standing::Authorised { .. } if code_only => Change::AuthorisedChange,
        // Where it runs moved too: nobody approved that.
        Standing::Authorised { .. } => Change::UnauthorisedCode,
        Standing::NotYetValid { .. }
        | Standing::Expired { .. }
        | Standing::Retired { .. }
        | Standing::NotApproved { .. } => Change::UnauthorisedDeployment,
        Standing::Unknown { .. } if has(Role::Kernel) && !has(Role::Application) && code_only => {
            Change::KernelOrBootChanged
        }
        Standing::Unknown { .. } if code_only => Change::ModifiedCode,
        Standing::Unknown { .. } => Change::UnauthorisedCode,
    }
}

fn is_debug(names: &RegisterNames, shown: &BTreeMap<u8, Register>) -> bool {
    [Role::Image, Role::Kernel, Role::Application].into_iter().all(|role| {
        let value = names.register(role).and_then(|index| shown.get(&index));
        value.is_none_or(|value| *value == Register::ZERO)
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::time::Time;

    /// Approved, and in its window.
    fn approved() -> Standing {
        Standing::Authorised { version: "v2".into(), deployment: None }
    }

    /// Every way to be known and not approved now.
    fn not_approved() -> [Standing; 4] {
        let [from, until, since] = [Time::from_unix_ms(1); 3];
        let (version, reason) = (|| String::from("v2"), String::from("a bug"));
        [
            Standing::NotYetValid { version: version(), from },
            Standing::Expired { version: version(), until },
            Standing::Retired { version: version(), since, reason },
            Standing::NotApproved { version: version(), approvals: 1 },
        ]
    }

    /// No version ever had the values.
    fn unknown() -> Standing {
        Standing::Unknown { closest: None, differences: Vec::new() }
    }

    fn before() -> BTreeMap<u8, Register> {
        [0, 1, 2, 3, 4, 8].map(|index| (index, Register([index + 1; 48]))).into()
    }

    fn after(moved: &[u8]) -> BTreeMap<u8, Register> {
        let mut shown = before();
        shown.extend(moved.iter().map(|index| (*index, Register([0xee; 48]))));
        shown
    }

    #[track_caller]
    fn check(moved: &[u8], standing: &Standing, expected: Change) {
        let shown = after(moved);
        let names = RegisterNames::nitro();
        assert_eq!(classify(&names, &before(), Answer::Shown(&shown), standing), expected);
    }

    #[test]
    fn zeros_are_debug_mode_whatever_else_is_shown() {
        let mut shown = before();
        shown.extend([0, 1, 2].map(|index| (index, Register::ZERO)));
        let names = RegisterNames::nitro();
        let judge = |shown: &BTreeMap<u8, Register>| {
            classify(&names, &before(), Answer::Shown(shown), &approved())
        };
        assert_eq!(judge(&shown), Change::DebugMode);
        shown.insert(1, Register([1; 48]));
        assert_ne!(judge(&shown), Change::DebugMode);
    }

    #[test]
    fn an_answer_to_another_question_is_a_replay() {
        let names = RegisterNames::nitro();
        let change = classify(&names, &before(), Answer::Replayed, &approved());
        assert_eq!(change, Change::Replay);
    }

    #[test]
    fn nothing_moved_is_a_match_whatever_the_baseline_says() {
        for standing in not_approved().iter().chain(&[approved(), unknown()]) {
            check(&[], standing, Change::Match);
        }
        // A register that is not expected is not compared.
        check(&[5, 16], &unknown(), Change::Match);
    }

    #[test]
    fn approved_code_is_an_authorised_change() {
        for moved in [&[0][..], &[0, 2], &[0, 1, 2], &[0, 1, 2, 8], &[8], &[0, 1]] {
            check(moved, &approved(), Change::AuthorisedChange);
        }
    }

    #[test]
    fn values_that_no_baseline_had_are_modified_code() {
        for moved in [&[0, 2][..], &[0, 1, 2], &[0, 1, 2, 8], &[0], &[8]] {
            check(moved, &unknown(), Change::ModifiedCode);
        }
    }

    #[test]
    fn known_values_without_approval_are_an_unauthorised_deployment() {
        for moved in [&[0, 2][..], &[0, 1, 2], &[0, 1], &[0, 2, 4], &[8]] {
            for standing in &not_approved() {
                check(moved, standing, Change::UnauthorisedDeployment);
            }
        }
    }

    #[test]
    fn the_kernel_alone_is_a_kernel_or_boot_change() {
        for moved in [&[1][..], &[0, 1]] {
            check(moved, &unknown(), Change::KernelOrBootChanged);
        }
    }

    #[test]
    fn the_application_without_its_image_is_inconsistent() {
        for standing in not_approved().iter().chain(&[approved(), unknown()]) {
            check(&[2], standing, Change::Inconsistent);
            check(&[1, 2], standing, Change::Inconsistent);
        }
    }

    #[test]
    fn a_role_or_an_instance_alone_is_named() {
        check(&[3], &unknown(), Change::RoleChanged);
        check(&[4], &unknown(), Change::MovedInstance);
    }

    #[test]
    fn a_device_that_fails_is_hardware_and_silence_is_an_outage() {
        let names = RegisterNames::nitro();
        let judge = |answer| classify(&names, &before(), answer, &unknown());
        assert_eq!(judge(Answer::DeviceFailed), Change::HardwareFailure);
        assert_eq!(judge(Answer::Unreachable), Change::Outage);
    }

    #[test]
    fn anything_else_is_unauthorised_code() {
        check(&[3, 4], &unknown(), Change::UnauthorisedCode);
        check(&[0, 2, 4], &unknown(), Change::UnauthorisedCode);
        check(&[0, 2, 3], &approved(), Change::UnauthorisedCode);
    }

    #[test]
    fn registers_can_be_renamed_and_the_rules_follow() {
        // A document calls PCR4 the role and PCR3 the instance.
        let roles = [(4, Role::ParentRole), (3, Role::ParentInstance)].into();
        let words = [(4, String::from("IAM role of the parent"))].into();
        let names = RegisterNames::nitro().renamed(roles, words).unwrap();
        let shown = after(&[4]);
        let change = classify(&names, &before(), Answer::Shown(&shown), &unknown());
        assert_eq!(change, Change::RoleChanged);
        assert_eq!(names.name(4), Some("IAM role of the parent"));
        assert_eq!((names.name(3), names.name(5)), (Some("parent-instance"), None));

        let twice = [(5, Role::Image), (6, Role::Image)].into();
        let refused = RegisterNames::nitro().renamed(twice, BTreeMap::new());
        assert_eq!(refused, Err(NamesError::RoleTwice { role: Role::Image }));
        let lost = [(0, Role::ParentRole)].into();
        let refused = RegisterNames::nitro().renamed(lost, BTreeMap::new());
        assert_eq!(refused, Err(NamesError::RoleMissing { role: Role::Image }));
    }
}
