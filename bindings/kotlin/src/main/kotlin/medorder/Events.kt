package medorder

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext

/**
 * The events of this subscription, each once and in order, until the collector is cancelled or a call fails. No queue
 * grows: the next event is read once the collector is done with the one before. Each collector that waits holds a thread
 * of [Dispatchers.IO]. A collector that is cancelled just when an event comes may have taken it: to resume, subscribe with
 * the `cursor` of the last event that was dealt with.
 */
fun Subscription.events(): Flow<OrderEvent> =
    flow {
        // Not `flowOn`: the channel that it puts between would read one event ahead, which a collector that ends loses.
        while (true) {
            withContext(Dispatchers.IO) { nextEvent(PATIENCE_MS) }?.let { emit(it) }
        }
    }

/** A wait in the engine cannot be interrupted, so this is how long a cancelled collector may take to end. */
private const val PATIENCE_MS = 200L
