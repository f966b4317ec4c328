package medorder

import java.nio.file.Files
import java.nio.file.Path
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory

/** Programs in the README: a block that names its file in the first line, and then a block of text with what it prints. */
class ReadmeTest {
    private data class Block(val language: String, val text: String)

    private data class Program(val file: String, val source: String, val prints: String)

    private val programs: List<Program> by lazy {
        val text = Files.readString(place("root").resolve("bindings/kotlin/README.md"))
        val fences = Regex("(?ms)^```(\\w*)\\n(.*?)^```$")
        val blocks = fences.findAll(text).map { Block(it.groupValues[1], it.groupValues[2]) }.toList()
        blocks.mapIndexedNotNull { index, block ->
            val file = fileOf(block) ?: return@mapIndexedNotNull null
            val after = blocks.getOrNull(index + 1)
            check(after?.language == "text") { "$file has no block of text after it" }
            Program(file, block.text, after!!.text)
        }
    }

    private fun fileOf(block: Block): String? {
        val ending = mapOf("kotlin" to "kt", "java" to "java")[block.language] ?: return null
        return Regex("// (\\w+\\.$ending)\n").matchAt(block.text, 0)?.groupValues?.get(1)
    }

    @Test
    fun `there is a program in each language`() {
        for (ending in listOf(".kt", ".java")) assertTrue(programs.any { it.file.endsWith(ending) }, ending)
    }

    @TestFactory
    fun `each prints what the text after it says`(): List<DynamicTest> =
        programs.map { program ->
            dynamicTest(program.file) {
                Folder().use { folder ->
                    Files.writeString(folder.path.resolve(program.file), program.source)
                    Programs.compile(folder.path, program.file)
                    val ran = Programs.start(folder.path, Programs.main(Path.of(program.file)))
                    assertEquals(Ran(0, program.prints, ""), ran)
                }
            }
        }
}
