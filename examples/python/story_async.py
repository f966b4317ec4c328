"""The same story on an event loop: one task watches while another works. `python story_async.py`, in an empty folder."""

import asyncio

import medorder

WARD = "north"
TEAM: medorder.Actor = {
    "user_id": "u-7",
    "roles": ["requester", "verifier", "fulfiller", "auditor", "administrator"],
    "territories": [WARD],
    "purpose": "treatment",
}


async def watch(session: medorder.AsyncSession) -> None:
    async for event in session.subscribe(since=""):
        print("watched:", event.old_status, "->", event.new_status)
        if event.new_status == "completed":
            break


async def main() -> None:
    medorder.generate_key_file("root.key")
    async with medorder.AsyncOrderService.open("orders.db", medorder.KeyFile("root.key")) as service:
        admin = service.admin(TEAM)
        await admin.register_territory(WARD)
        await admin.register_relationship(WARD, "p-1", "npi-17")

        session = service.session(TEAM, WARD)
        watcher = asyncio.create_task(watch(session))
        order = await session.create_order(
            patient_id="p-1", provider_id="npi-17", service_type="MRI brain", diagnosis_codes=["G43.9"]
        )
        proof: medorder.VerificationData = {"verified_by": "u-7", "verification_method": "phone"}
        await session.update_status(order.id, status="verified", verification_data=proof)
        await session.update_status(order.id, status="in_progress")
        await session.update_status(order.id, status="completed")
        await watcher

        seen = (await session.orders(limit=1)).orders[0]
        print("listed:", seen.status, seen.service_type)
        actions = [record.action for record in await session.audit({"order_id": order.id})]
        print("audited:", *actions)
        print("verified:", (await session.verify_audit()).verdict)


asyncio.run(main())
