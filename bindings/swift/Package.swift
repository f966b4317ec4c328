// swift-tools-version:5.9
// The package does not say where the native library is: give its folder to the linker, see README.md.

import PackageDescription

let package = Package(
    name: "Medorder",
    products: [
        .library(name: "Medorder", targets: ["Medorder"]),
    ],
    targets: [
        // The C side of the library. Its module map names the library to link.
        .systemLibrary(name: "MedorderFFI", path: "Sources/MedorderFFI/include"),
        .target(
            name: "Medorder",
            dependencies: ["MedorderFFI"],
            path: "Sources/Medorder",
            linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))] // of the archive
        ),
        .executableTarget(name: "Story", dependencies: ["Medorder"], path: "Sources/Story"),
    ]
)
