// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibSSH

/// One session channel of an SSH connection (RFC 4254), and the byte session that runs over it. Bytes are taken only as
/// fast as the session wants them, and pulled from it only as fast as the peer's window and the socket take them.
final class SSHChannel {
  enum Limit {
    /// The most that is pulled from the session and encrypted before the socket has taken it, in bytes.
    static let outputInFlight = 128 * 1024
    /// What libssh may hold for a session that wants no input, in bytes. Its window is 1,280,000; a peer that sends
    /// more than the window allows is cut off.
    static let unreadInput = 4 * 1024 * 1024
    /// How much of that is taken at a time.
    static let readSize = 32 * 1024
    /// Requests that are answered, or pieces of output that are written, before the next connection has its turn.
    static let roundsAtATime = 64
  }

  private(set) var channel: ssh_channel?
  var session: (any ByteSession)?
  /// The peer has closed the channel, or the connection is gone.
  private(set) var isClosedByPeer = false
  /// The peer sent more than its window.
  private(set) var hasViolation = false
  private(set) var isClosedByUs = false
  /// The session was ended and the peer does not read: there is no way but to end the connection.
  private(set) var mustEndConnection = false

  private let callbacks: UnsafeMutablePointer<ssh_channel_callbacks_struct>
  private var closeIsSent = false
  private var hasEnded = false
  private var endIsTold = false
  private var isWriting = false
  /// Bytes that libssh holds because they were not taken when they came.
  private var unread = 0
  /// Bytes taken from libssh that the session did not take yet.
  private var backlog: [UInt8] = []
  private var backlogPosition = 0
  /// Output of the session that the channel did not take yet.
  private var output: [UInt8] = []
  private var outputPosition = 0

  /// When the channel was opened.
  let openedAt: EventLoop.Instant

  init(_ channel: ssh_channel, now: EventLoop.Instant) {
    self.channel = channel
    openedAt = now
    callbacks = .allocate(capacity: 1)
    callbacks.initialize(to: ssh_channel_callbacks_struct())
    callbacks.pointee.size = MemoryLayout<ssh_channel_callbacks_struct>.size
    callbacks.pointee.userdata = Unmanaged.passUnretained(self).toOpaque()
    callbacks.pointee.channel_data_function = { _, _, data, count, isError, context in
      guard let context, let data else { return 0 }
      let bytes = UnsafeRawBufferPointer(start: data, count: Int(count))
      return Int32(
        Unmanaged<SSHChannel>.fromOpaque(context).takeUnretainedValue().arrived(bytes, isError: isError != 0))
    }
    callbacks.pointee.channel_eof_function = { _, _, context in
      guard let context else { return }
      Unmanaged<SSHChannel>.fromOpaque(context).takeUnretainedValue().hasEnded = true
    }
    callbacks.pointee.channel_close_function = { _, _, context in
      guard let context else { return }
      let channel = Unmanaged<SSHChannel>.fromOpaque(context).takeUnretainedValue()
      channel.hasEnded = true
      channel.isClosedByPeer = true
    }
    ssh_set_channel_callbacks(channel, callbacks)
  }

  deinit { callbacks.deallocate() }

  /// Gives the channel back to libssh, which may still wait for the peer's close. To be called once; not needed when
  /// the whole SSH session was freed before, then `forget`.
  func release() {
    guard let channel else { return }
    ssh_remove_channel_callbacks(channel, callbacks)
    ssh_channel_free(channel)
    forget()
  }

  /// The SSH session was freed and the channel with it.
  func forget() {
    channel = nil
    session?.channelClosed()
    session = nil
  }

  // MARK: Input

  /// libssh has bytes; it keeps those that are not taken and offers them again together with what comes next.
  private func arrived(_ bytes: UnsafeRawBufferPointer, isError: Bool) -> Int {
    if isError { return bytes.count }
    if bytes.count > Limit.unreadInput {
      hasViolation = true
      return bytes.count
    }
    var taken = 0
    if !isWriting, backlogPosition == backlog.count, let session, session.wantsInput { taken = session.receive(bytes) }
    unread = bytes.count - taken
    return taken
  }

  /// Gives the session input that waited. True when it took some.
  private func feed() -> Bool {
    guard let session, let channel, session.wantsInput else { return false }
    if backlogPosition == backlog.count {
      backlog.removeAll(keepingCapacity: true)
      backlogPosition = 0
      guard unread > 0 else { return tellEnd(session) }
      let wanted = min(unread, Limit.readSize)
      // What libssh holds already is taken without looking at the socket, so that no callback runs inside.
      backlog = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
        count = max(0, Int(ssh_channel_read_nonblocking(channel, buffer.baseAddress, UInt32(wanted), 0)))
      }
      unread = backlog.isEmpty ? 0 : unread - backlog.count
    }
    let taken = backlog.withUnsafeBytes { session.receive(UnsafeRawBufferPointer(rebasing: $0[backlogPosition...])) }
    backlogPosition += taken
    return taken > 0
  }

  private func tellEnd(_ session: any ByteSession) -> Bool {
    guard hasEnded, !endIsTold else { return false }
    endIsTold = true
    session.inputEnded()
    return true
  }

  // MARK: Output

  /// Moves what can be moved in both directions. Not from inside a callback.
  /// - Returns: true when more can be moved at once, which is left for later so that others get their turn.
  func pump(_ handle: SSHSessionHandle) -> Bool {
    var isMoving = true
    var rounds = 0
    while isMoving, rounds < Limit.roundsAtATime, !isClosedByPeer, !isClosedByUs, !handle.isOver {
      isMoving = feed()
      if drain(handle) { isMoving = true }
      rounds += 1
    }
    if let session, session.isAborted {
      // Nothing of what waits matters any more; if even a close cannot go out, only the end of the connection helps.
      mustEndConnection = handle.hasUnsentOutput
      output = []
      outputPosition = 0
    }
    if isClosedByUs, !closeIsSent { sendClose() }
    if let session, session.isFinished, outputPosition == output.count, !handle.hasUnsentOutput { finish(status: 0) }
    return isMoving && !isClosedByPeer && !isClosedByUs
  }

  /// Pulls output from the session and writes it. True when some went out.
  private func drain(_ handle: SSHSessionHandle) -> Bool {
    guard let channel, let session else { return false }
    var hasWritten = false
    while !handle.hasUnsentOutput, !handle.isOver {
      let window = Int(ssh_channel_window_size(channel))
      guard window > 0 else { break }
      if outputPosition == output.count {
        output.removeAll(keepingCapacity: output.capacity <= 2 * Limit.outputInFlight)
        outputPosition = 0
        session.produce(into: &output, limit: Limit.outputInFlight)
        if output.isEmpty { break }
      }
      let count = min(window, output.count - outputPosition, Limit.outputInFlight)
      isWriting = true
      let written = output.withUnsafeBytes { bytes in
        ssh_channel_write(channel, bytes.baseAddress.map { $0 + outputPosition }, UInt32(count))
      }
      isWriting = false
      guard written > 0 else { break }
      outputPosition += Int(written)
      hasWritten = true
    }
    return hasWritten
  }

  /// Called about once a second.
  func tick(_ handle: SSHSessionHandle) {
    session?.tick(isStalled: handle.hasUnsentOutput || outputPosition < output.count)
  }

  /// Closes the channel from our side, with an exit status for the peer's program.
  func finish(status: Int32) {
    guard let channel, !isClosedByUs else { return }
    isClosedByUs = true
    ssh_channel_request_send_exit_status(channel, status)
    sendClose()
  }

  /// Sends the end of output and the close. libssh stops between the two when the socket takes no more, and then has
  /// to be asked again.
  private func sendClose() {
    guard let channel else { return }
    closeIsSent = ssh_channel_close(channel) != SSH_AGAIN
  }

  /// Refuses to be what was asked for, with a line for a human.
  func refuse(_ line: String) {
    guard let channel else { return }
    let text = Array((line + "\r\n").utf8)
    _ = text.withUnsafeBytes { ssh_channel_write_stderr(channel, $0.baseAddress, UInt32($0.count)) }
    finish(status: 1)
  }
}
