package medorder

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.flowOn

/**
 * The events of this subscription, each once and in order, until the collector is cancelled or a call fails. No queue
 * grows: the next event is read once the collector is done with the one before. Each collector that waits holds a thread
 * of [Dispatchers.IO]. To resume elsewhere, subscribe with the `cursor` of the last event that was dealt with.
 */
fun Subscription.events(): Flow<OrderEvent> =
    flow {
        while (true) {
            nextEvent(PATIENCE_MS)?.let { emit(it) }
            currentCoroutineContext().ensureActive()
        }
    }.buffer(Channel.RENDEZVOUS).flowOn(Dispatchers.IO)

/** A wait in the engine cannot be interrupted, so this is how long a cancelled collector may take to end. */
private const val PATIENCE_MS = 200L
