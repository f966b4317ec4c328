package medorder

import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.name
import kotlin.io.path.nameWithoutExtension
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

/** The examples, compiled and run as a newcomer does: an empty folder, the jar, and the two libraries it needs. */
class ExamplesTest {
    @Test
    fun `the story in Java`() = tells("examples/java/Story.java", "examples/java/story.txt", "Story")

    @Test
    fun `the story in Kotlin`() = tells("examples/kotlin/Story.kt", "examples/kotlin/story.txt", "StoryKt")

    private fun tells(source: String, text: String, main: String) {
        val (file, expected) = place("root").resolve(source) to place("root").resolve(text)
        Folder().use { folder ->
            Files.copy(file, folder.path.resolve(file.name))
            Programs.compile(folder.path, file.name)
            val first = Programs.start(folder.path, main)
            assertEquals(Ran(0, Files.readString(expected), ""), first)
            // What is there already, the key and the database, is no obstacle; the list is longer then.
            val again = Programs.start(folder.path, main)
            assertEquals(0, again.status, again.err)
            assertEquals("", again.err)
            assertEquals("verified: intact", again.out.trim().lines().last())
        }
    }
}

/** Programs as a newcomer writes them: sources in a folder, compiled to `out` in it, with nothing but what is shipped. */
object Programs {
    fun compile(folder: Path, source: String) {
        val needs = classPath(shipped())
        val ran = if (source.endsWith(".java")) {
            run(folder, "javac", "-Xlint:all,-classfile,-path", "-Werror", "-cp", needs, "-d", "out", source)
        } else {
            val compiler = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"
            val own = System.getProperty("java.class.path")
            val arguments = arrayOf("-no-stdlib", "-no-reflect", "-Werror", "-cp", needs, "-d", "out", source)
            run(folder, "java", "-cp", own, compiler, *arguments)
        }
        assertEquals(Ran(0, "", ""), ran, source)
    }

    fun start(folder: Path, main: String): Ran =
        run(folder, "java", "-cp", classPath(shipped() + folder.resolve("out")), main)

    /** The name of the class that the JVM starts for a source. */
    fun main(source: Path): String =
        if (source.name.endsWith(".kt")) source.nameWithoutExtension + "Kt" else source.nameWithoutExtension
}
