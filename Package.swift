// swift-tools-version: 6.0
import PackageDescription

// One line a target: the list is a table of the rooms described in docs/architecture.md.
let v6: [SwiftSetting] = [.swiftLanguageMode(.v6)]
// Run-time checks for overlapping access cost a fifth of the time of reading and validating data; debug builds have them.
let unchecked: [SwiftSetting] = v6 + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "agentd",
  products: [
    .executable(name: "agentd", targets: ["agentd"]),
    .executable(name: "kmesim", targets: ["kmesim"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
  ],
  targets: [
    // C libraries
    .systemLibrary(name: "CLibXML2", path: "Sources/System/CLibXML2", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
    .systemLibrary(name: "CLibSSH", path: "Sources/System/CLibSSH", pkgConfig: "libssh", providers: [.apt(["libssh-dev"])]),
    .systemLibrary(name: "CCurl", path: "Sources/System/CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "COpenSSL", path: "Sources/System/COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CSQLite", path: "Sources/System/CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CLinux", path: "Sources/System/CLinux", providers: [.apt(["libcrypt-dev"])]),

    // Foundations
    .target(name: "Secrets", dependencies: ["CLinux", "COpenSSL"], swiftSettings: v6),
    .target(name: "Threads", dependencies: ["CLinux"], swiftSettings: v6),
    .target(name: "Processes", dependencies: ["CLinux"], swiftSettings: v6),
    .target(name: "Netlink", dependencies: ["Threads"], swiftSettings: v6),
    .target(name: "YANG", dependencies: ["CLibXML2", "Secrets"], swiftSettings: unchecked),
    .target(name: "YANGGenerator", dependencies: ["CLibXML2", "YANG"], swiftSettings: v6),
    .target(name: "YANGToSwift", dependencies: ["YANG"], swiftSettings: v6),

    // The simulated KME
    .target(name: "KMESimulator", dependencies: ["CLinux", "COpenSSL", "Threads"], swiftSettings: v6),

    // The agent's core
    .target(name: "Datastore", dependencies: ["CLibXML2", "CLinux", "COpenSSL", "CSQLite", "Secrets", "YANG"], swiftSettings: unchecked),
    .target(name: "Models", dependencies: ["Datastore", "Secrets", "YANG"], exclude: ["yang", "generate.conf"], swiftSettings: v6, plugins: [.plugin(name: "GenerateModels")]),
    .target(name: "NETCONF", dependencies: ["CLibSSH", "CLibXML2", "CLinux", "Datastore", "Secrets", "Threads", "YANG", logging], swiftSettings: v6),
    .target(name: "KeyService", dependencies: ["Secrets"], swiftSettings: v6),

    // The userspace SecY
    .target(name: "SecYEngine", dependencies: ["COpenSSL"], swiftSettings: v6),
    .target(name: "SecYControl", dependencies: ["COpenSSL", "SecYEngine"], swiftSettings: v6),

    // Backends
    .target(name: "SKS", dependencies: ["CCurl", "CLinux", "COpenSSL", "Datastore", "KeyService", "Models", "Netlink", "Secrets", "Threads", "YANG"], path: "Sources/Backends/SKS", swiftSettings: v6),
    .target(name: "MACsecPorts", dependencies: ["CLinux", "Datastore", "Interfaces", "KeyService", "MKA", "Models", "Netlink", "Secrets", "Threads", "YANG", logging], path: "Sources/Backends/MACsec", swiftSettings: v6),
    .target(name: "IPsec", dependencies: ["CLinux", "COpenSSL", "Datastore", "Interfaces", "KeyService", "Models", "Netlink", "Processes", "Secrets", "Threads", "YANG"], path: "Sources/Backends/IPsec", swiftSettings: v6),
    .target(name: "MKA", dependencies: ["CLinux", "COpenSSL", "Netlink", "Processes", "SecYControl", "SecYEngine", "Secrets"], path: "Sources/Backends/MKA", swiftSettings: v6),
    .target(name: "Interfaces", dependencies: ["Datastore", "Models", "Netlink", "Threads", "YANG"], path: "Sources/Backends/Interfaces", swiftSettings: v6),

    // Programs
    .executableTarget(name: "yangc", dependencies: ["Datastore", "YANG", "YANGToSwift", arguments], swiftSettings: v6),
    .executableTarget(name: "yang-gen", dependencies: ["YANG", "YANGGenerator", arguments], swiftSettings: v6),
    .executableTarget(name: "databench", dependencies: ["CLibXML2", "CLinux", "Datastore", "YANG"], path: "Benchmarks/data", swiftSettings: v6),
    .executableTarget(name: "ipsecbench", dependencies: ["Datastore", "IPsec", "Interfaces", "KeyService", "Netlink", "Secrets", "YANG"], path: "Benchmarks/ipsecbench", swiftSettings: v6),
    .executableTarget(name: "YANGCodegen", dependencies: ["YANG", "YANGToSwift"], swiftSettings: v6),
    .plugin(name: "GenerateModels", capability: .buildTool(), dependencies: ["YANGCodegen"]),
    .executableTarget(name: "agentd", dependencies: ["Datastore", "IPsec", "Interfaces", "KeyService", "MACsecPorts", "MKA", "Models", "NETCONF", "Netlink", "SKS", "Secrets", "YANG", logging, arguments], swiftSettings: v6),
    .executableTarget(name: "kmesim", dependencies: ["KMESimulator", arguments], swiftSettings: v6),
    .executableTarget(name: "secyd", dependencies: ["CLinux", "SecYControl", "SecYEngine", "Secrets", arguments], swiftSettings: v6),
    .executableTarget(name: "mkaport", dependencies: ["MKA", "Netlink", "Secrets"], path: "Tests/mka/mkaport", swiftSettings: v6),
    .executableTarget(name: "mkabench", dependencies: ["Datastore", "Interfaces", "MACsecPorts", "MKA", "Models", "Netlink", "Secrets", "YANG", logging], path: "Benchmarks/mkabench", swiftSettings: v6),
    .executableTarget(name: "secybench", dependencies: ["CLinux", "SecYEngine", arguments], path: "Benchmarks/secybench", swiftSettings: v6),

    // Tests
    .testTarget(name: "ProcessesTests", dependencies: ["Processes"], swiftSettings: v6),
    .testTarget(name: "SecretsTests", dependencies: ["Secrets"], swiftSettings: v6),
    .target(name: "NetlinkTestSupport", path: "Tests/NetlinkTestSupport", swiftSettings: v6),
    .testTarget(name: "NetlinkTests", dependencies: ["Netlink", "NetlinkTestSupport"], swiftSettings: v6),
    .testTarget(name: "YANGTests", dependencies: ["YANG"], swiftSettings: v6),
    .testTarget(name: "YANGGeneratorTests", dependencies: ["Datastore", "YANG", "YANGGenerator"], exclude: ["yang"], swiftSettings: v6),
    .testTarget(name: "YANGToSwiftTests", dependencies: ["YANG", "YANGToSwift"], exclude: ["References"], swiftSettings: v6),
    .testTarget(name: "yangcTests", dependencies: ["yangc"], swiftSettings: v6),
    .testTarget(name: "ModelsTests", dependencies: ["Datastore", "Models", "Secrets", "YANG", "YANGGenerator"], exclude: ["yang", "generate.conf"], swiftSettings: v6, plugins: [.plugin(name: "GenerateModels")]),
    .testTarget(name: "DatastoreTests", dependencies: ["CLibXML2", "CSQLite", "Datastore", "Secrets", "YANG"], swiftSettings: v6),
    .testTarget(name: "NETCONFTests", dependencies: ["NETCONF"], swiftSettings: v6),
    .testTarget(name: "KeyServiceTests", dependencies: ["KeyService", "Secrets"], swiftSettings: v6),
    .testTarget(name: "SKSTests", dependencies: ["COpenSSL", "Datastore", "KMESimulator", "KeyService", "Models", "SKS", "Secrets", "YANG"], swiftSettings: v6),
    .testTarget(name: "SecYEngineTests", dependencies: ["SecYEngine"], swiftSettings: v6),
    .testTarget(name: "MKATests", dependencies: ["MKA", "Netlink", "NetlinkTestSupport", "SecYControl", "SecYEngine"], swiftSettings: v6),
    .testTarget(name: "SecYControlTests", dependencies: ["SecYControl", "SecYEngine"], swiftSettings: v6),
    .testTarget(name: "InterfacesTests", dependencies: ["Datastore", "Interfaces", "Models", "Netlink", "NetlinkTestSupport", "YANG"], swiftSettings: v6),
    .testTarget(name: "MACsecPortsTests", dependencies: ["Datastore", "Interfaces", "KeyService", "MACsecPorts", "MKA", "Models", "Netlink", "Secrets", "YANG", logging], swiftSettings: v6),
    .testTarget(name: "IPsecTests", dependencies: ["Datastore", "IPsec", "KeyService", "Models", "Secrets", "YANG"], swiftSettings: v6),
    .testTarget(name: "KMESimTests", dependencies: ["KMESimulator", "kmesim"], swiftSettings: v6),
    .target(name: "FuzzTargets", dependencies: ["Datastore", "IPsec", "MKA", "NETCONF", "YANG"], path: "Fuzz/Targets", swiftSettings: v6),
    .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets"], swiftSettings: v6),
    .testTarget(name: "AgentTests", dependencies: ["IPsec", "agentd"], swiftSettings: v6),
  ]
)
