// One order from its creation to its end, watched, listed and audited. In an empty folder; see bindings/kotlin/README.md.

import java.io.File;
import java.util.List;
import medorder.*;

public final class Story {
    public static void main(String[] arguments) throws MedorderException {
        // Once. Whoever loses this file loses the data.
        if (!new File("root.key").exists()) MedorderKt.generateKeyFile("root.key");

        try (OrderService service = OrderService.open("orders.db", new Keys.File("root.key"))) {
            // Whom your software has authenticated. One person with every role is for examples alone.
            Actor actor = new Actor("u-7", Purpose.TREATMENT);
            for (String role : List.of("requester", "verifier", "fulfiller", "auditor", "administrator")) {
                actor.addRole(role);
            }
            actor.addTerritory("north");

            Admin admin = service.admin(actor);
            admin.registerTerritory("north");
            admin.registerRelationship("north", "p-1", "npi-17");

            Session session = service.session(actor, "north");
            try (Subscription events = session.subscribe(null, null)) {
                OrderDraft draft = new OrderDraft("p-1", "npi-17", "MRI brain");
                draft.addDiagnosisCode("R51.9");
                draft.setNotes("anxious");
                OrderSummary order = session.createOrder(draft);

                StatusChange verified = new StatusChange(OrderStatus.VERIFIED);
                verified.setVerification(new VerificationData("u-7", "phone"));
                verified.setExpectedVersion(order.version());
                session.updateStatus(order.id(), verified);
                session.updateStatus(order.id(), new StatusChange(OrderStatus.IN_PROGRESS));
                StatusChange completed = new StatusChange(OrderStatus.COMPLETED);
                completed.setReason("images sent");
                session.updateStatus(order.id(), completed);

                for (int change = 0; change < 4; change++) {
                    OrderEvent event = events.nextEvent(5_000);
                    Object before = event.getOldStatus() == null ? "new" : event.getOldStatus();
                    System.out.println("event: " + before + " -> " + event.getNewStatus());
                }

                OrderFilter done = new OrderFilter();
                done.addStatus(OrderStatus.COMPLETED);
                List<PhiField> fields = List.of(PhiField.SERVICE_TYPE, PhiField.NOTES);
                for (Order listed : session.orders(done, null, null, fields).orders()) {
                    System.out.println(
                            "listed: v" + listed.version() + ", " + listed.serviceType() + ", " + listed.notes());
                    System.out.println("shown: " + listed.toString().replace(listed.id(), "ID"));
                }

                try {
                    verified.setExpectedVersion(null);
                    session.updateStatus(order.id(), verified);
                } catch (MedorderException.InvalidStatusTransition refused) {
                    ErrorDetails details = refused.details();
                    System.out.println(
                            "refused: " + refused.code() + ", from " + details.getCurrentStatus() + ": " + details.getWhy());
                }

                AuditFilter aboutIt = new AuditFilter();
                aboutIt.setOrderId(order.id());
                for (AuditRecord record : session.audit(aboutIt, null, null).getRecords()) {
                    System.out.println(
                            "audit: " + record.getUserId() + " " + record.getAction() + " " + record.getFields());
                }
            }
            System.out.println("verified: " + session.verifyAudit(null).getVerdict());
        }
    }
}
