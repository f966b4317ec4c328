//! What a role may do.

use super::words::words;

words!(
    /// A right that a role grants. What is not granted is denied.
    ///
    /// ```
    /// use medorder::Permission;
    ///
    /// assert_eq!(Permission::parse("order.verify")?, Permission::OrderVerify);
    /// assert!(Permission::parse("order.*").is_err());
    /// # Ok::<(), medorder::Error>(())
    /// ```
    Permission, "permission" {
        /// Create orders, and see which patients and providers belong together.
        OrderCreate = "order.create",
        /// See orders; the fields are a matter of the role.
        OrderView = "order.view",
        /// Verify or reject an order.
        OrderVerify = "order.verify",
        /// Start and complete an order.
        OrderFulfil = "order.fulfil",
        /// Cancel an order.
        OrderCancel = "order.cancel",
        /// Delete an order, which shreds its PHI.
        OrderDelete = "order.delete",
        /// Read, verify and export the audit.
        AuditRead = "audit.read",
        /// Register and unregister territories and relationships.
        DirectoryManage = "directory.manage",
        /// Rotate keys, change the root, checkpoint, back up and restore.
        KeysManage = "keys.manage",
    }
);
