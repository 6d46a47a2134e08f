// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import SecYEngine

/// Moves frames between the two ports, through the SecY.
final class Forwarder {
  let entity: SecurityEntity
  let parent: ParentPort
  let port: ControlledPort
  private let queue = SendQueue()
  /// Frames from the controlled port, each with room before and behind it.
  private let frames: UnsafeMutableRawBufferPointer
  private let frameRoom: Int
  private static let frameAt = 64
  /// For frames that do not fit a place: those that the host wants to be cut, and what other hosts' segments were merged
  /// into.
  private let large: UnsafeMutableRawBufferPointer

  init(entity: SecurityEntity, parent: ParentPort, port: ControlledPort) {
    self.entity = entity
    self.parent = parent
    self.port = port
    entity.longestFrame = parent.mtu + 14
    frameRoom = (Self.frameAt + parent.mtu + 18 + SecurityEntity.tailroom + 63) & ~63
    frames = UnsafeMutableRawBufferPointer.allocate(byteCount: frameRoom * SendQueue.capacity, alignment: 64)
    frames.initializeMemory(as: UInt8.self, repeating: 0)
    large = UnsafeMutableRawBufferPointer.allocate(byteCount: (80 << 10) + frameRoom, alignment: 64)
    large.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    frames.deallocate()
    large.deallocate()
  }

  // MARK: From the controlled port

  /// Up to a queue of reads, each of which may be many segments.
  func transmit() {
    for _ in 0..<SendQueue.capacity {
      let frame = place(queue.count)
      guard let base = frame.baseAddress, let rest = large.baseAddress else { break }
      let readAt = Self.frameAt - ControlledPort.headerLength
      let room = frameRoom - readAt - SecurityEntity.tailroom
      // What is too long for a frame spills over behind the room that its beginning then gets.
      var parts = (
        iovec(iov_base: base + readAt, iov_len: room),
        iovec(iov_base: rest + frameRoom, iov_len: large.count - frameRoom)
      )
      let count = withUnsafeMutableBytes(of: &parts) {
        readv(port.descriptor, $0.assumingMemoryBound(to: iovec.self).baseAddress, 2)
      }
      guard count > ControlledPort.headerLength else { break }
      let offload = FrameOffload(base + readAt)
      let length = count - ControlledPort.headerLength
      if count <= room && offload.kind == 0 {
        let octets = UnsafeMutableRawBufferPointer(start: base + Self.frameAt, count: length)
        guard !offload.needsChecksum || offload.complete(octets) else { continue }
        send(frame, length)
      } else {
        let head = min(count, room)
        (rest + frameRoom - head).copyMemory(from: base + readAt, byteCount: head)
        let start = frameRoom - head + ControlledPort.headerLength
        transmit(UnsafeRawBufferPointer(start: rest + start, count: length), offload)
      }
    }
    queue.flush(to: parent.sender)
  }

  private func transmit(_ whole: UnsafeRawBufferPointer, _ offload: FrameOffload) {
    guard let segmented = SegmentedFrame(whole, offload) else { return }
    for index in 0..<segmented.count {
      let frame = place(queue.count)
      guard let base = frame.baseAddress else { return }
      let room = frameRoom - Self.frameAt - SecurityEntity.tailroom
      let length = segmented.write(index, to: UnsafeMutableRawBufferPointer(start: base + Self.frameAt, count: room))
      if length > 0 { send(frame, length) }
    }
  }

  /// The room of a frame that waits to be sent.
  private func place(_ index: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: frames[index * frameRoom..<(index + 1) * frameRoom])
  }

  private func send(_ frame: UnsafeMutableRawBufferPointer, _ length: Int) {
    guard case .pass(let start, let count) = entity.transmit(frame, start: Self.frameAt, length: length),
      let base = frame.baseAddress
    else { return }
    queue.append(base + start, length: count)
    if queue.isFull { queue.flush(to: parent.sender) }
  }

  // MARK: From the parent

  /// Up to `most` frames.
  func receive(most: Int) {
    for _ in 0..<most {
      guard let slot = parent.next() else { return }
      take(slot)
      parent.release()
    }
  }

  private func take(_ slot: ParentPort.Slot) {
    // What this host sent, where the kernel shows that.
    guard slot.packetType != 4, slot.packetType != 5 else {
      if slot.status & ParentPort.Status.copied != 0 { _ = takeCopy() }
      return
    }
    if slot.status & ParentPort.Status.copied != 0 {
      let count = takeCopy()
      guard count > ControlledPort.headerLength else { return }
      deliver(large, frameAt: Self.frameAt, length: count - ControlledPort.headerLength, slot)
    } else {
      guard slot.held == slot.length, slot.frameAt + slot.held <= parent.slotSize else {
        entity.countOverrun(1)
        return
      }
      let room = UnsafeMutableRawBufferPointer(start: slot.header, count: parent.slotSize)
      deliver(room, frameAt: slot.frameAt, length: slot.held, slot)
    }
  }

  /// The whole of a frame that did not fit its place, with its virtio header.
  private func takeCopy() -> Int {
    let readAt = Self.frameAt - ControlledPort.headerLength
    guard let base = large.baseAddress else { return 0 }
    return recv(parent.receiver, base + readAt, large.count - readAt, Int32(MSG_DONTWAIT))
  }

  /// - Parameter frameAt: where the frame begins in `room`; its virtio header stands before it.
  private func deliver(_ room: UnsafeMutableRawBufferPointer, frameAt: Int, length: Int, _ slot: ParentPort.Slot) {
    guard let base = room.baseAddress else { return }
    var start = frameAt
    var length = length
    let header = ControlledPort.headerLength
    var virtio = (base + start - header).loadUnaligned(as: (UInt64, UInt16).self)
    if slot.status & ParentPort.Status.hasTag != 0 {
      // The kernel took the outer VLAN tag out of the frame: it goes back where it was.
      start -= 4
      length += 4
      (base + start).copyMemory(from: base + start + 4, byteCount: 12)
      let type = slot.status & ParentPort.Status.hasTagType == 0 ? 0x8100 : slot.tagType
      (base + start + 12).storeBytes(of: type.bigEndian, as: UInt16.self)
      (base + start + 14).storeBytes(of: slot.tag.bigEndian, as: UInt16.self)
      if virtio.0 & 1 != 0 { virtio.0 &+= 4 << 48 }
    }
    guard case .pass(let first, let count) = entity.receive(room, start: start, length: length) else { return }
    // A frame that came in clear keeps what the kernel knows of its checksum and segments.
    if first != start { virtio = (0, 0) }
    (base + first - header).storeBytes(of: virtio.0, as: UInt64.self)
    (base + first - 2).storeBytes(of: virtio.1, as: UInt16.self)
    _ = write(port.descriptor, base + first - header, count + header)
  }
}
