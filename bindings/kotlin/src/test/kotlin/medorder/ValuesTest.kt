package medorder

import java.nio.charset.CharacterCodingException
import java.time.Instant
import java.time.temporal.ChronoUnit
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Values at the borders: times, texts, numbers, and every fault of a request at once. */
class ValuesTest {
    private fun validUntil(world: World, moment: Instant): Instant? {
        val id = world.session.createOrder(draft()).id()
        world.session.updateStatus(id, verified().apply { verification()!!.setValidUntil(moment) })
        return world.session.order(id).insuranceVerification()!!.validUntil()
    }

    @Test
    fun `moments are kept to the microsecond and cut towards the past`() {
        World().use { world ->
            for ((given, kept) in listOf(
                "2031-02-03T04:05:06.123456Z" to "2031-02-03T04:05:06.123456Z",
                "2031-02-03T04:05:06.123456999Z" to "2031-02-03T04:05:06.123456Z",
                "1970-01-01T00:00:00Z" to "1970-01-01T00:00:00Z",
                "1969-12-31T23:59:58.999999Z" to "1969-12-31T23:59:58.999999Z",
                "1969-12-31T23:59:58.999999001Z" to "1969-12-31T23:59:58.999999Z",
                "1900-03-01T00:00:00.5Z" to "1900-03-01T00:00:00.5Z",
                "0000-01-01T00:00:00Z" to "0000-01-01T00:00:00Z",
                "9999-12-31T23:59:59.999999999Z" to "9999-12-31T23:59:59.999999Z",
            )) {
                assertEquals(Instant.parse(kept), validUntil(world, Instant.parse(given)), given)
            }
        }
    }

    /** The generated sources keep the sign in the seconds alone, which 0 does not have: the moment comes out mirrored. */
    @Test
    fun `the last second before 1970 is the only one that goes wrong`() {
        val data = VerificationData("a", "b")
        for (nanos in listOf(-1_000_000_000L, -1_500_000_000, 1_000, 999_999_000)) {
            val moment = Instant.EPOCH.plusNanos(nanos)
            data.setValidUntil(moment)
            assertEquals(moment, data.validUntil())
        }
        val moment = Instant.EPOCH.minusMillis(250)
        data.setValidUntil(moment)
        assertEquals(Instant.EPOCH.plusMillis(250), data.validUntil())
    }

    @Test
    fun `moments beyond the calendar are faults wherever they stand`() {
        World().use { world ->
            val id = world.session.createOrder(draft()).id()
            for (moment in listOf(
                Instant.MAX, Instant.MIN, Instant.parse("+10000-01-01T00:00:00Z"), Instant.parse("-0001-12-31T23:59:59Z"),
                Instant.ofEpochSecond(Long.MAX_VALUE / 1_000_000 + 1), Instant.ofEpochSecond(Long.MIN_VALUE / 1_000_000 - 1),
            )) {
                val change = verified().apply { verification()!!.setValidUntil(moment) }
                assertEquals(listOf("verification_data.valid_until format"), faults { world.session.updateStatus(id, change) })
                val (from, to) = OrderFilter().apply { setCreatedFrom(moment) } to OrderFilter().apply { setCreatedTo(moment) }
                assertEquals(listOf("filter.created_from format"), faults { world.session.orders(from) })
                assertEquals(listOf("filter.created_to format"), faults { world.session.orders(to) })
                assertEquals(listOf("filter.from format"), faults { world.session.audit(AuditFilter().apply { setFrom(moment) }) })
                assertEquals(listOf("filter.to format"), faults { world.admin.audit(AuditFilter().apply { setTo(moment) }) })
                val actor = everyone().apply { setExpiresAt(moment) }
                assertEquals(listOf("expires_at format"), faults { world.service.session(actor, "north") })
            }
            assertEquals(OrderStatus.PENDING_VERIFICATION, world.session.order(id).status())
        }
    }

    @Test
    fun `a session ends when its actor expires`() {
        World().use { world ->
            val over = world.service.session(everyone().apply { setExpiresAt(Instant.now().minus(1, ChronoUnit.DAYS)) }, "north")
            assertEquals(ErrorCode.ACCESS_DENIED, code { over.orders() })
            val later = world.service.session(everyone().apply { setExpiresAt(Instant.now().plus(1, ChronoUnit.DAYS)) }, "north")
            assertEquals(0, later.orders().orders().size)
        }
    }

    @Test
    fun `a list goes by time`() {
        World().use { world ->
            val order = world.session.createOrder(draft())
            val made = order.createdAt()
            assertTrue(made.until(Instant.now(), ChronoUnit.MINUTES) in 0..5)
            fun count(from: Instant?, to: Instant?) = world.session.orders(
                OrderFilter().apply { setCreatedFrom(from); setCreatedTo(to) },
            ).orders().size
            assertEquals(1, count(made, null))
            assertEquals(0, count(null, made))
            assertEquals(1, count(made.minusSeconds(1), made.plusSeconds(1)))
            assertEquals(0, count(made.plus(1, ChronoUnit.MICROS), null))
        }
    }

    @Test
    fun `texts come back as they were`() {
        World().use { world ->
            for (text in listOf("\uD83D\uDE00 \u00E4\u4E2D\u202E\u0301", "\n\t", "a".repeat(65_536), "\u00E9".repeat(32_768), "\"\\/{}")) {
                val id = world.session.createOrder(draft().apply { setNotes(text) }).id()
                assertEquals(text, world.session.order(id).notes())
            }
            val id = world.session.createOrder(draft().apply { setNotes("") }).id()
            assertEquals("", world.session.order(id).notes())
            assertEquals("", world.session.orders().orders().first().notes())
            assertNull(world.session.orders(fields = emptyList()).orders().first().notes())
        }
    }

    /** UTF-8 has no half of a pair, so that the generated sources cannot hand it over: nothing reaches the engine. */
    @Test
    fun `half a surrogate pair is refused before the engine sees it`() {
        World().use { world ->
            for (half in listOf("\uD83D", "\uDE00", "a\uDE00\uD83Db")) {
                assertThrows(CharacterCodingException::class.java) { draft().setNotes(half) }
                assertThrows(CharacterCodingException::class.java) { OrderDraft(half, "npi-1", "MRI") }
                assertThrows(CharacterCodingException::class.java) { world.session.order(half) }
                assertThrows(CharacterCodingException::class.java) { world.session.call("create_order", half) }
                assertThrows(CharacterCodingException::class.java) { world.session.orders(cursor = half) }
            }
            assertEquals(0, world.session.orders().orders().size)
        }
    }

    @Test
    fun `NUL and what is too long are faults by their path`() {
        World().use { world ->
            fun of(change: OrderDraft.() -> Unit) = faults { world.session.createOrder(draft().apply(change)) }
            assertEquals(listOf("patient_id control"), of { setPatientId("p\u0000") })
            assertEquals(listOf("service_type control"), of { setServiceType("\u0000") })
            assertEquals(listOf("diagnosis_codes[1] control"), of { setDiagnosisCodes(listOf("A", "B\u0000")) })
            assertEquals(listOf("notes too_long"), of { setNotes("\u00E9".repeat(32_769)) })
            assertEquals(listOf("notes too_long"), of { setNotes("x".repeat(20_000_000)) })
            assertEquals(listOf("patient_id too_long"), of { setPatientId("x".repeat(129)) })
            assertEquals(listOf("diagnosis_codes too_many"), of { setDiagnosisCodes(List(51) { "A$it" }) })
        }
    }

    @Test
    fun `every fault of a draft at once`() {
        World().use { world ->
            val bad = OrderDraft("", "x".repeat(129), "").apply {
                setDiagnosisCodes(listOf("A", "", "A"))
                setNotes("n".repeat(65_537))
                setInsurance(Insurance("", "p".repeat(257)).apply { setGroupNumber("\u0000") })
                setIdempotencyKey("")
            }
            val expected = listOf(
                "diagnosis_codes[1] empty", "idempotency_key empty", "insurance.carrier empty", "insurance.group_number control",
                "insurance.policy_number too_long", "notes too_long", "patient_id empty", "provider_id too_long", "service_type empty",
            )
            assertEquals(expected, faults { world.session.createOrder(bad) })
            // It is mended and sent again.
            bad.setPatientId("p-1")
            bad.setProviderId("npi-1")
            bad.setServiceType("MRI")
            bad.setDiagnosisCodes(listOf("A"))
            bad.setNotes(null)
            bad.insurance()!!.setCarrier("c")
            bad.insurance()!!.setPolicyNumber("p")
            bad.insurance()!!.setGroupNumber(null)
            bad.setIdempotencyKey("k")
            world.session.createOrder(bad)
        }
    }

    @Test
    fun `every fault of a change at once`() {
        World().use { world ->
            val bad = StatusChange(OrderStatus.VERIFIED).apply {
                setReason("r".repeat(201))
                setNotes("n\u0000")
                setExpectedVersion(-1)
                setIdempotencyKey("k".repeat(300))
                setVerification(VerificationData("", "").apply {
                    setCoverageDetails("{")
                    setAuthorizationNumber("a".repeat(300))
                    setValidUntil(Instant.MAX)
                })
            }
            val expected = listOf(
                "expected_version format", "idempotency_key too_long", "notes control", "order_id format", "reason too_long",
                "verification_data.authorization_number too_long", "verification_data.coverage_details format",
                "verification_data.valid_until format", "verification_data.verification_method empty",
                "verification_data.verified_by empty",
            )
            assertEquals(expected, faults { world.session.updateStatus("no", bad) })
            val item = world.session.updateStatuses(listOf(OrderChange("no", bad)), BatchMode.EACH).single() as BatchItem.Failed
            assertEquals(expected, item.failure.details.errors.map { "${it.path} ${it.rule}" }.sorted())
            val misplaced = StatusChange(OrderStatus.IN_PROGRESS).apply { setVerification(VerificationData("a", "b")) }
            val id = world.session.createOrder(draft()).id()
            assertEquals(listOf("verification_data not_allowed"), faults { world.session.updateStatus(id, misplaced) })
        }
    }

    @Test
    fun `every fault of an actor and its territory at once`() {
        World().use { world ->
            val bad = Actor("", Purpose.LEGAL).apply {
                addRole("")
                addTerritory("no territory")
                setRequestId("r\u0000")
                setSource("s".repeat(300))
                setExpiresAt(Instant.MIN)
            }
            val expected = listOf(
                "expires_at format", "request_id control", "roles[0] empty", "source too_long",
                "territories[0] format", "user_id empty",
            )
            assertEquals(expected, faults { world.service.admin(bad) })
            assertEquals((expected + "territory_id format").sorted(), faults { world.service.session(bad, "no territory") })
            assertEquals(ErrorCode.ACCESS_DENIED, code { world.service.session(Actor("u", Purpose.LEGAL).apply { allowAllTerritories() }, "north").orders() })
            val elsewhere = Actor("u", Purpose.TREATMENT).apply { addRole("requester") }
            assertEquals(ErrorCode.TERRITORY_MISMATCH, code { world.service.session(elsewhere, "north").orders() })
        }
    }

    @Test
    fun `every fault of options at once`() {
        Folder().use { folder ->
            val bad = OpenOptions().apply {
                setKeyCacheTtlMs(-1)
                setCommitTimeoutMs(Long.MIN_VALUE)
                setConnections(-1)
                setPatienceMs(-1)
                setAccessJson("{")
            }
            val seen = faults { OrderService.open(folder.url, folder.keys(), bad) }
            assertEquals(listOf("access format", "commit_timeout_ms", "connections", "key_cache_ttl_ms", "patience_ms"), seen.map { if ("access" in it) it else it.substringBefore(' ') })
            val twice = OpenOptions().apply { setAccessJson("{\"roles\": {}, \"roles\": {}}") }
            assertTrue(faults { OrderService.open(folder.url, folder.keys(), twice) }.any { it.endsWith(" duplicate") })
            val closing = OpenOptions().apply { setAccessJson("{}, \"create\": false") }
            assertEquals(listOf("access format"), faults { OrderService.open(folder.url, folder.keys(), closing) })
            val missing = OpenOptions().apply { setCreate(false) }
            assertEquals(ErrorCode.STORAGE_UNAVAILABLE, code { OrderService.open(folder.url, folder.keys(), missing) })
            val access = "{\"roles\": {\"nurse\": {\"permissions\": [\"order.view\"], \"fields\": [\"notes\"]}}}"
            OrderService.open(folder.url, folder.keys(), OpenOptions().apply { setAccessJson(access) }).close()
        }
    }

    @Test
    fun `every fault of a filter at once`() {
        World().use { world ->
            val orders = OrderFilter().apply {
                setPatientId("")
                setProviderId("x\u0000")
                setCreatedFrom(Instant.MAX)
                setCreatedTo(Instant.MIN)
            }
            val seen = faults { world.session.orders(orders, "no cursor", -1) }
            assertEquals(
                listOf("filter.created_from format", "filter.created_to format", "filter.patient_id empty", "filter.provider_id control"),
                seen.filter { it.startsWith("filter.") },
            )
            assertTrue(seen.any { it.startsWith("limit ") }, "$seen")
            val entries = AuditFilter().apply {
                setOrderId("no")
                setPatientId("")
                setFrom(Instant.MAX)
                setTo(Instant.MIN)
            }
            assertEquals(
                listOf("after", "filter.from", "filter.order_id", "filter.patient_id", "filter.to", "limit"),
                faults { world.session.audit(entries, -1, 501) }.map { it.substringBefore(' ') },
            )
            val pairs = RelationshipFilter().apply { setPatientId(""); setProviderId("x".repeat(129)) }
            assertEquals(
                listOf("filter.patient_id empty", "filter.provider_id too_long"),
                faults { world.session.relationships(pairs) },
            )
        }
    }

    @Test
    fun `numbers beyond their range are faults`() {
        World().use { world ->
            world.session.createOrder(draft())
            for (limit in listOf(0, -1, 501, Int.MAX_VALUE, Int.MIN_VALUE)) {
                assertEquals(listOf("limit"), faults { world.session.orders(limit = limit) }.map { it.substringBefore(' ') })
                assertEquals(listOf("limit"), faults { world.session.relationships(limit = limit) }.map { it.substringBefore(' ') })
            }
            assertEquals(listOf("after"), faults { world.session.audit(after = Long.MIN_VALUE) }.map { it.substringBefore(' ') })
            assertEquals(0, world.session.audit(after = Long.MAX_VALUE).records.size)
            val id = world.session.createOrder(draft()).id()
            assertEquals(listOf("expected_version"), faults { world.session.deleteOrder(id, "r", -1) }.map { it.substringBefore(' ') })
            val conflict = refused { world.session.deleteOrder(id, "r", Long.MAX_VALUE) }
            assertEquals(1L, conflict.details().currentVersion)
            assertEquals(ErrorCode.VERSION_CONFLICT, conflict.code())
        }
    }

    @Test
    fun `an idempotency key makes one order of two requests`() {
        World().use { world ->
            fun keyed(service: String) = OrderDraft("p-1", "npi-1", service).apply { setIdempotencyKey("k-1") }
            val first = world.session.createOrder(keyed("MRI"))
            assertEquals(first.id(), world.session.createOrder(keyed("MRI")).id())
            assertEquals(first.id(), world.session.orderByKey("k-1").id())
            assertEquals(ErrorCode.IDEMPOTENCY_MISMATCH, code { world.session.createOrder(keyed("CT")) })
            assertEquals(ErrorCode.ORDER_NOT_FOUND, code { world.session.orderByKey("k-2") })
            assertEquals(1, world.session.orders().orders().size)
        }
    }

    @Test
    fun `errors say what a program needs`() {
        World().use { world ->
            val id = world.session.createOrder(draft()).id()
            val error = refused { world.session.updateStatus(id, StatusChange(OrderStatus.COMPLETED)) }
            assertTrue(error is MedorderException.InvalidStatusTransition)
            val details = error.details()
            assertEquals(OrderStatus.PENDING_VERIFICATION, details.currentStatus)
            assertEquals(OrderStatus.COMPLETED, details.requestedStatus)
            assertEquals(listOf(OrderStatus.VERIFIED, OrderStatus.REJECTED), details.allowed)
            assertEquals(Why.STATE, details.why)
            assertEquals(ErrorKind.INVALID, error.kind())
            assertEquals(false, error.retryable())
            assertEquals(listOf("STORAGE_UNAVAILABLE", "unavailable", "true"), ErrorCode.STORAGE_UNAVAILABLE.let { listOf("$it", "${it.kind()}", "${it.retryable()}") })
            assertTrue(error.toString().startsWith("INVALID_STATUS_TRANSITION: "), error.toString())
        }
    }
}
