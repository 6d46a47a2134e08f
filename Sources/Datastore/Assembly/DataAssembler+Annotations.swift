// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

extension DataAssembler {
  /// Where annotations of nodes in and below one open node are kept until its keys are known.
  struct AnnotationLevel {
    /// The number of open nodes.
    let depth: Int
    var annotations = Annotations()
  }

  /// The place in the stack for annotations of the innermost node.
  func annotationLevel() -> Int {
    if annotationStack.last?.depth != frames.count { annotationStack.append(AnnotationLevel(depth: frames.count)) }
    return annotationStack.count - 1
  }

  /// The annotations at and below a node go to the node around it, now that its keys are known. To be called while the
  /// node is the innermost one.
  ///
  /// - Parameters:
  ///   - keys: the value of a leaf-list entry; nil for the keys that were read.
  func endAnnotations(_ frame: Frame, keys: [Value]?) {
    guard var level = annotationStack.popLast() else { return }
    for (leafList, place, found) in level.annotations.unplaced {
      let own = values[frame.values...].filter { $0.schema === leafList }
      guard place < own.count else { continue }
      level.annotations.below[InstancePath.Step(schema: leafList, keys: [own[place].value]), default: Annotations()]
        .own += found
    }
    level.annotations.unplaced = []
    guard frames.count > 1 else {
      annotations = level.annotations
      return
    }
    let depth = frames.count - 1
    if annotationStack.last?.depth != depth { annotationStack.append(AnnotationLevel(depth: depth)) }
    let step = InstancePath.Step(schema: frame.schema, keys: keys ?? path().steps.last?.keys ?? [])
    annotationStack[annotationStack.count - 1].annotations.below[step] = level.annotations
  }
}
