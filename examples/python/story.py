"""One order from its creation to its end, watched, listed and audited: `python story.py`, in an empty folder."""

import medorder

WARD = "north"
TEAM: medorder.Actor = {  # whom your program has authenticated
    "user_id": "u-7",
    "roles": ["requester", "verifier", "fulfiller", "auditor", "administrator"],
    "territories": [WARD],
    "purpose": "treatment",
}

medorder.generate_key_file("root.key")  # whoever loses this file loses the data
with medorder.OrderService.open("orders.db", medorder.KeyFile("root.key")) as service:
    admin = service.admin(TEAM)
    admin.register_territory(WARD)
    admin.register_relationship(WARD, "p-1", "npi-17")

    session = service.session(TEAM, WARD)
    with session.subscribe() as events:
        order = session.create_order(
            patient_id="p-1",
            provider_id="npi-17",
            service_type="MRI brain",
            diagnosis_codes=["G43.9"],
            notes="anxious",
        )
        print("created:", order.status, "version", order.version)

        proof: medorder.VerificationData = {"verified_by": "u-7", "verification_method": "phone"}
        session.update_status(order.id, status="verified", verification_data=proof)
        session.update_status(order.id, status="in_progress")
        session.update_status(order.id, status="completed", reason="done at the first attempt")
        for _ in range(4):
            event = events.next(timeout=5)
            if event:
                print("watched:", event.old_status, "->", event.new_status)

    try:
        session.update_status(order.id, status="verified", verification_data=proof)
    except medorder.TransitionError as error:
        print("refused:", error.code, error.details["why"], error.details["allowed"])

    for seen in session.orders({"status": ["completed"]}):
        print("listed:", seen.status, seen.service_type, seen.diagnosis_codes, seen.disclosed)
        print("shown:", str(seen).replace(seen.id, "ID"))

    for record in session.audit({"order_id": order.id}):
        print("audited:", record.seq, record.action, record.outcome, ",".join(record.fields) or "no PHI")
    print("verified:", session.verify_audit().verdict)
