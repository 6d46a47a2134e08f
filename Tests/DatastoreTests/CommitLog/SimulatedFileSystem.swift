// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CSQLite
import Glibc
import Synchronization

// Extended result codes, which the importer does not see behind their macros.
private let SQLITE_IOERR_READ = SQLITE_IOERR | (1 << 8)
private let SQLITE_IOERR_SHORT_READ = SQLITE_IOERR | (2 << 8)
private let SQLITE_IOERR_WRITE = SQLITE_IOERR | (3 << 8)
private let SQLITE_IOERR_FSYNC = SQLITE_IOERR | (4 << 8)
private let SQLITE_IOERR_TRUNCATE = SQLITE_IOERR | (6 << 8)
private let SQLITE_IOERR_FSTAT = SQLITE_IOERR | (7 << 8)
private let SQLITE_IOERR_DELETE = SQLITE_IOERR | (10 << 8)
private let SQLITE_IOERR_DELETE_NOENT = SQLITE_IOERR | (23 << 8)

/// SQLite's view of simulated disks: a virtual file system whose file names are `disk/name`.
enum SimulatedFileSystem {
  static let name = "simulated"
  private static let disks = Mutex<[String: SimulatedDisk]>([:])

  /// Makes a disk known and gives the prefix of its file names.
  static func mount(_ disk: SimulatedDisk) -> String {
    _ = registered
    let prefix = "/\(UInt(bitPattern: ObjectIdentifier(disk)))/"
    disks.withLock { $0[prefix] = disk }
    return prefix
  }

  static func unmount(_ disk: SimulatedDisk) {
    disks.withLock { disks in
      for (prefix, other) in disks where other === disk { disks[prefix] = nil }
    }
  }

  fileprivate static func find(_ path: UnsafePointer<CChar>?) -> (disk: SimulatedDisk, name: String)? {
    guard let path else { return nil }
    let text = String(cString: path)
    guard let slash = text.lastIndex(of: "/") else { return nil }
    return disks.withLock { $0[String(text[...slash])] }.map { ($0, String(text[text.index(after: slash)...])) }
  }

  /// SQLite's file object, and behind it what the operations need.
  fileprivate struct Handle {
    var base: sqlite3_file
    var file: Unmanaged<OpenFile>?
  }
  fileprivate final class OpenFile {
    let disk: SimulatedDisk
    let name: String
    let isDeletedOnClose: Bool
    init(disk: SimulatedDisk, name: String, isDeletedOnClose: Bool) {
      self.disk = disk
      self.name = name
      self.isDeletedOnClose = isDeletedOnClose
    }
  }

  private static let registered: Void = {
    let vfs = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
    vfs.initialize(to: sqlite3_vfs())
    vfs.pointee.iVersion = 1
    vfs.pointee.szOsFile = Int32(MemoryLayout<Handle>.size)
    vfs.pointee.mxPathname = 512
    vfs.pointee.zName = strdup(name).map { UnsafePointer($0) }
    vfs.pointee.xOpen = { _, path, file, flags, outFlags in
      guard let file else { return SQLITE_CANTOPEN }
      let handle = UnsafeMutableRawPointer(file).bindMemory(to: Handle.self, capacity: 1)
      handle.pointee.base.pMethods = nil
      guard let (disk, name) = find(path) else { return SQLITE_CANTOPEN }
      disk.open(name)
      let open = OpenFile(disk: disk, name: name, isDeletedOnClose: flags & SQLITE_OPEN_DELETEONCLOSE != 0)
      handle.pointee.file = .passRetained(open)
      handle.pointee.base.pMethods = UnsafePointer(methods)
      outFlags?.pointee = flags
      return SQLITE_OK
    }
    vfs.pointee.xDelete = { _, path, _ in
      guard let (disk, name) = find(path) else { return SQLITE_IOERR_DELETE }
      guard disk.exists(name) else { return SQLITE_IOERR_DELETE_NOENT }
      return disk.remove(name) == .done ? SQLITE_OK : SQLITE_IOERR_DELETE
    }
    vfs.pointee.xAccess = { _, path, _, result in
      result?.pointee = find(path).map { $0.disk.exists($0.name) } == true ? 1 : 0
      return SQLITE_OK
    }
    vfs.pointee.xFullPathname = { _, path, count, target in
      guard let path, let target, strlen(path) < Int(count) else { return SQLITE_CANTOPEN }
      strcpy(target, path)
      return SQLITE_OK
    }
    vfs.pointee.xRandomness = { _, count, target in
      if let target { memset(target, 7, Int(count)) }
      return count
    }
    vfs.pointee.xSleep = { _, microseconds in microseconds }
    vfs.pointee.xCurrentTime = { _, time in
      time?.pointee = 2_460_000
      return SQLITE_OK
    }
    sqlite3_vfs_register(vfs, 0)
  }()

  private nonisolated(unsafe) static let methods: UnsafeMutablePointer<sqlite3_io_methods> = {
    let methods = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
    methods.initialize(to: sqlite3_io_methods())
    methods.pointee.iVersion = 1
    methods.pointee.xClose = { file in
      guard let open = SimulatedFileSystem.release(file) else { return SQLITE_OK }
      if open.isDeletedOnClose { _ = open.disk.remove(open.name) }
      return SQLITE_OK
    }
    methods.pointee.xRead = { file, target, count, offset in
      guard let open = SimulatedFileSystem.open(file), let target else { return SQLITE_IOERR_READ }
      let buffer = UnsafeMutableRawBufferPointer(start: target, count: Int(count))
      let read = open.disk.read(open.name, offset: Int(offset), into: buffer)
      if read == Int(count) { return SQLITE_OK }
      memset(target + read, 0, Int(count) - read)
      return SQLITE_IOERR_SHORT_READ
    }
    methods.pointee.xWrite = { file, source, count, offset in
      guard let open = SimulatedFileSystem.open(file), let source else { return SQLITE_IOERR_WRITE }
      let bytes = Array(UnsafeRawBufferPointer(start: source, count: Int(count)))
      switch open.disk.write(open.name, offset: Int(offset), bytes: bytes) {
      case .done: return SQLITE_OK
      case .full: return SQLITE_FULL
      case .ioError: return SQLITE_IOERR_WRITE
      }
    }
    methods.pointee.xTruncate = { file, length in
      guard let open = SimulatedFileSystem.open(file) else { return SQLITE_IOERR_TRUNCATE }
      return open.disk.truncate(open.name, to: Int(length)) == .done ? SQLITE_OK : SQLITE_IOERR_TRUNCATE
    }
    methods.pointee.xSync = { file, _ in
      guard let open = SimulatedFileSystem.open(file) else { return SQLITE_IOERR_FSYNC }
      return open.disk.synchronize(open.name) == .done ? SQLITE_OK : SQLITE_IOERR_FSYNC
    }
    methods.pointee.xFileSize = { file, size in
      guard let open = SimulatedFileSystem.open(file) else { return SQLITE_IOERR_FSTAT }
      size?.pointee = sqlite3_int64(open.disk.size(open.name))
      return SQLITE_OK
    }
    methods.pointee.xLock = { _, _ in SQLITE_OK }
    methods.pointee.xUnlock = { _, _ in SQLITE_OK }
    methods.pointee.xCheckReservedLock = { _, result in
      result?.pointee = 0
      return SQLITE_OK
    }
    methods.pointee.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
    methods.pointee.xSectorSize = { _ in Int32(SimulatedDisk.sectorBytes) }
    methods.pointee.xDeviceCharacteristics = { _ in 0 }
    return methods
  }()

  fileprivate static func open(_ file: UnsafeMutablePointer<sqlite3_file>?) -> OpenFile? {
    guard let file else { return nil }
    return UnsafeMutableRawPointer(file).bindMemory(to: Handle.self, capacity: 1).pointee.file?.takeUnretainedValue()
  }

  fileprivate static func release(_ file: UnsafeMutablePointer<sqlite3_file>?) -> OpenFile? {
    guard let file else { return nil }
    let handle = UnsafeMutableRawPointer(file).bindMemory(to: Handle.self, capacity: 1)
    defer { handle.pointee.file = nil }
    return handle.pointee.file?.takeRetainedValue()
  }
}
