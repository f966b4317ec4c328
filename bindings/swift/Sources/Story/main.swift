// One order from its creation to its end, watched, listed and audited. In an empty folder; see README.md.

import Foundation
import Medorder

func story() throws {
    // Once. Whoever loses this file loses the data.
    if !FileManager.default.fileExists(atPath: "root.key") {
        try generateKeyFile(path: "root.key")
    }

    let service = try OrderService(url: "orders.db", keys: .file(path: "root.key"))
    // Whom your software has authenticated. One person with every role is for examples alone. Swift has an `Actor` too.
    let actor = Medorder.Actor(userId: "u-7", purpose: .treatment)
    for role in ["requester", "verifier", "fulfiller", "auditor", "administrator"] {
        actor.addRole(role: role)
    }
    actor.addTerritory(territoryId: "north")

    let admin = try service.admin(actor: actor)
    try admin.registerTerritory(territoryId: "north")
    try admin.registerRelationship(territoryId: "north", patientId: "p-1", providerId: "npi-17")

    let session = try service.session(actor: actor, territoryId: "north")
    let events = try session.subscribe()
    let draft = OrderDraft(patientId: "p-1", providerId: "npi-17", serviceType: "MRI brain")
    draft.addDiagnosisCode(diagnosisCode: "R51.9")
    draft.setNotes(notes: "anxious")
    let order = try session.createOrder(draft: draft)

    let verified = StatusChange(status: .verified)
    verified.setVerification(verification: VerificationData(verifiedBy: "u-7", verificationMethod: "phone"))
    verified.setExpectedVersion(expectedVersion: order.version())
    _ = try session.updateStatus(orderId: order.id(), change: verified)
    _ = try session.updateStatus(orderId: order.id(), change: StatusChange(status: .inProgress))
    let completed = StatusChange(status: .completed)
    completed.setReason(reason: "images sent")
    _ = try session.updateStatus(orderId: order.id(), change: completed)

    for _ in 1...4 {
        guard let event = try events.nextEvent(timeoutMs: 5_000) else { break }
        print("event: \(event.oldStatus?.description ?? "new") -> \(event.newStatus)")
    }

    let done = OrderFilter()
    done.addStatus(status: .completed)
    for listed in try session.orders(filter: done, fields: [.serviceType, .notes]).orders() {
        print("listed: v\(listed.version()), \(listed.serviceType() ?? ""), \(listed.notes() ?? "")")
        print("shown: \(listed.description.replacingOccurrences(of: listed.id(), with: "ID"))")
    }

    do {
        verified.setExpectedVersion(expectedVersion: nil)
        _ = try session.updateStatus(orderId: order.id(), change: verified)
    } catch let refused as MedorderError {
        let details = refused.details()
        let (from, why) = (details.currentStatus?.description ?? "", details.why?.description ?? "")
        print("refused: \(refused.code()), from \(from): \(why)")
    }

    let aboutIt = AuditFilter()
    aboutIt.setOrderId(orderId: order.id())
    for record in try session.audit(filter: aboutIt).records {
        print("audit: \(record.userId) \(record.action) \(record.fields)")
    }
    print("verified: \(try session.verifyAudit().verdict)")
    try service.close()
}

try story()
