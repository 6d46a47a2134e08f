// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import SecYEngine

/// The test vectors of IEEE 802.1AE-2018 annex C (and one with an explicit SCI that is not from there), in hexadecimal.
///
/// With extended packet numbers all have SSCI 7a30c118, upper packet number b0df459c, salt e630e81a48de86a21c66fa6d.
struct Vector: Sendable, CustomStringConvertible {
  let description: String
  let suite: FrameCipherSuite
  let key: String
  let addresses: String
  let data: String
  let tag: String
  /// Empty where nothing is encrypted.
  let secured: String
  let icv: String

  static let all: [Vector] = [
    Vector(
      description: "gcm 128 64B cipher", suite: .gcmAES128,
      key: "071b113b0ca743fecccf3d051f737382",
      addresses: "e20106d7cd0df0761e8dcd3d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "40414243444546",
      tag: "88e52c0000000002fe2fcd14241b882c",
      secured: "39389744a26d713d1427c73e029681ad47822acf197912490f935a324379ef9d70f8a9be3d005d22da873dc1be"
        + "1b13d999dbf1c8",
      icv: "4bc4f8c60978b9bb5dc004f3207d1487"),
    Vector(
      description: "gcm 128 54B cipher", suite: .gcmAES128,
      key: "071b113b0ca743fecccf3d051f737382",
      addresses: "e20106d7cd0df0761e8dcd3d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233340004",
      tag: "88e54c2a76d457ed",
      secured: "13b4c72b389dc5018e72a171dd85a5d3752274d3a019fbcaed09a425cd9b2e1c9b72eee7c9de7d52b3f3",
      icv: "d6a5284f4a6d3fe22a5d6c2b960494c3"),
    Vector(
      description: "gcm 256 54B cipher", suite: .gcmAES256,
      key: "691d3ee909d7f54167fd1ca0b5d769081f2bde1aee655fdbab80bd5295ae6be7",
      addresses: "e20106d7cd0df0761e8dcd3d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233340004",
      tag: "88e54c2a76d457ed",
      secured: "c1623f55730c93533097addad25664966125352b43adacbd61c5ef3ac90b5bee929ce4630ea79f6ce519",
      icv: "12af39c2d1fdc2051f8b7b3c9d397ef2"),
    Vector(
      description: "gcm 128 xpn 54B cipher", suite: .gcmAESXPN128,
      key: "071b113b0ca743fecccf3d051f737382",
      addresses: "e20106d7cd0df0761e8dcd3d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233340004",
      tag: "88e54c2a76d457ed",
      secured: "9ca46984430203ed416ebdc2fe2622ba3e5eab6961c36383009e187e9b0c88564653b9abd216441c6ab6",
      icv: "f0a232e9e44c978cf7cd84d43484d101"),
    Vector(
      description: "gcm 256 xpn 54B cipher", suite: .gcmAESXPN256,
      key: "691d3ee909d7f54167fd1ca0b5d769081f2bde1aee655fdbab80bd5295ae6be7",
      addresses: "e20106d7cd0df0761e8dcd3d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233340004",
      tag: "88e54c2a76d457ed",
      secured: "88d9f7d1f1578ee34ba7b1abc89893ef1d3398c9f1dd3e47fbd8553e0ff786ef5699eb01ea10420d0ebd",
      icv: "39a0e273c4c7f95ed843207d7a497dfa"),
    Vector(
      description: "gcm 128 60B cipher", suite: .gcmAES128,
      key: "ad7a2bd03eac835a6f620fdcb506b345",
      addresses: "d609b1f056637a0d46df998d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a0002",
      tag: "88e52e00b2c2846512153524c0895e81",
      secured: "701afa1cc039c0d765128a665dab69243899bf7318ccdc81c9931da17fbe8edd7d17cb8b4c26fc81e3284f2b7f"
        + "ba713d",
      icv: "4f8d55e7d3f06fd5a13c0c29b9d5b880"),
    Vector(
      description: "gcm 256 60B cipher", suite: .gcmAES256,
      key: "e3c08a8f06c6e3ad95a70557b23f75483ce33021a9c72b7025666204c69c0b72",
      addresses: "d609b1f056637a0d46df998d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a0002",
      tag: "88e52e00b2c2846512153524c0895e81",
      secured: "e2006eb42f5277022d9b19925bc419d7a592666c925fe2ef718eb4e308efeaa7c5273b394118860a5be2a97f56"
        + "ab7836",
      icv: "5ca597cdbb3edb8d1a1151ea0af7b436"),
    Vector(
      description: "gcm 128 xpn 60B cipher", suite: .gcmAESXPN128,
      key: "ad7a2bd03eac835a6f620fdcb506b345",
      addresses: "d609b1f056637a0d46df998d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a0002",
      tag: "88e52e00b2c2846512153524c0895e81",
      secured: "0712d980ca50bbed35a0fa566338729ffa16d19ffcf07b3a1e7919b3776aacec8a5937208b483a7691984d3807"
        + "92e07f",
      icv: "c2c3c79f263fa6bff8e7581e2ce45af8"),
    Vector(
      description: "gcm 256 xpn 60B cipher", suite: .gcmAESXPN256,
      key: "e3c08a8f06c6e3ad95a70557b23f75483ce33021a9c72b7025666204c69c0b72",
      addresses: "d609b1f056637a0d46df998d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a0002",
      tag: "88e52e00b2c2846512153524c0895e81",
      secured: "3eb04a4bbf54c6eb1222a9aea00c38687f6c3520d976a3b694800650ce6585e620a4191917d2a605d870c78d27"
        + "52ce49",
      icv: "3b442ac0c816d7abd70ad65c25d46413"),
    Vector(
      description: "gcm 128 61B cipher", suite: .gcmAES128,
      key: "013fe00b5f11be7f866d0cbbc55a7a90",
      addresses: "84c5d513d2aaf6e5bbd27277",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b0006",
      tag: "88e52f008932d6127cfde9f9e33724c6",
      secured: "3a4de6fa32191014dbb303d92ee3a9e8a1b599c14d22fb080096e13811816a3c9c9bcf7c1b9b96da809204e29d"
        + "0e2a7642",
      icv: "bfd310a4837c816ccfa5ac23ab003988"),
    Vector(
      description: "gcm 256 61B cipher", suite: .gcmAES256,
      key: "83c093b58de7ffe1c0da926ac43fb3609ac1c80fee1b624497ef942e2f79a823",
      addresses: "84c5d513d2aaf6e5bbd27277",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b0006",
      tag: "88e52f008932d6127cfde9f9e33724c6",
      secured: "110222ff8050cbece66a813ad09a73ed7a9a089c106b959389168ed6e8698ea902eb1277dbec2e68e473155a15"
        + "a7daeed4",
      icv: "a10f4e05139c23df00b3aadc71f0596a"),
    Vector(
      description: "gcm 128 xpn 61B cipher", suite: .gcmAESXPN128,
      key: "013fe00b5f11be7f866d0cbbc55a7a90",
      addresses: "84c5d513d2aaf6e5bbd27277",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b0006",
      tag: "88e52f008932d6127cfde9f9e33724c6",
      secured: "14c17693bc8297ee6c47c565cbe0679e80f00fcaf592c9aa0473928e7f2f216ff5a033dec7513f45d34cbb981c"
        + "5bd64e8b",
      icv: "d84b8e2a78e74dafeaa03846fe930c0e"),
    Vector(
      description: "gcm 256 xpn 61B cipher", suite: .gcmAESXPN256,
      key: "83c093b58de7ffe1c0da926ac43fb3609ac1c80fee1b624497ef942e2f79a823",
      addresses: "84c5d513d2aaf6e5bbd27277",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b0006",
      tag: "88e52f008932d6127cfde9f9e33724c6",
      secured: "0996e0c9a55774e0a792304e7dc150bd67fd747dd1b9419594bf373d4ace8f87f5c1349afac491aa0a40d31990"
        + "87b29fdf",
      icv: "802f050e691f11a2d9b358f6994184f5"),
    Vector(
      description: "gcm 128 75B cipher", suite: .gcmAES128,
      key: "88ee087fd95da9fbf6725aa9d757b0cd",
      addresses: "68f2e77696ce7ae8e2ca4ec5",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b3c3d3e3f404142434445464748490008",
      tag: "88e54d002e58495c",
      secured: "c31f53d99e5687f7365119b832d2aae70741d593f1f9e2ab3455779b078eb8feacdfec1f8e3e5277f8180b4336"
        + "1f6512adb16d2e38548a2c719dba7228d840",
      icv: "88f8757adb8aa788d8f65ad668be70e7"),
    Vector(
      description: "gcm 256 75B cipher", suite: .gcmAES256,
      key: "4c973dbc7364621674f8b5b89e5c15511fced9216490fb1c1a2caa0ffe0407e5",
      addresses: "68f2e77696ce7ae8e2ca4ec5",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b3c3d3e3f404142434445464748490008",
      tag: "88e54d002e58495c",
      secured: "ba8ae31bc506486d6873e4fce460e7dc57591ff00611f31c3834fe1c04ad80b66803afcf5b27e6333fa67c99da"
        + "47c2f0ced68d531bd741a943cff7a6713bd0",
      icv: "2611cd7daa01d61c5c886dc1a8170107"),
    Vector(
      description: "gcm 128 xpn 75B cipher", suite: .gcmAESXPN128,
      key: "88ee087fd95da9fbf6725aa9d757b0cd",
      addresses: "68f2e77696ce7ae8e2ca4ec5",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b3c3d3e3f404142434445464748490008",
      tag: "88e54d002e58495c",
      secured: "eaecc6af6512fc8b6c8c43bc55b190b2626d07d3d218faf5daa7d8f800a57331eb43b5a17a37e5b1d60d275cca"
        + "f7acd704cc9ace2bf8bc8b9b23b9adf02f87",
      icv: "346b96d1136a754df0a6cde126c107f8"),
    Vector(
      description: "gcm 256 xpn 75B cipher", suite: .gcmAESXPN256,
      key: "4c973dbc7364621674f8b5b89e5c15511fced9216490fb1c1a2caa0ffe0407e5",
      addresses: "68f2e77696ce7ae8e2ca4ec5",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b3c3d3e3f404142434445464748490008",
      tag: "88e54d002e58495c",
      secured: "b0fea36318b9b36466c46e9e1bda1a266858196e7e70d882ae70475668cde4ec883f6ac2369f284bed1fe32f42"
        + "092fdff5868a3c64e5615192a7a3760b34bc",
      icv: "85692cd815b664711aef911df78d7f46"),
    Vector(
      description: "gcm 128 54B integrity", suite: .gcmAES128,
      key: "ad7a2bd03eac835a6f620fdcb506b345",
      addresses: "d609b1f056637a0d46df998d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233340001",
      tag: "88e5222ab2c2846512153524c0895e81",
      secured: "",
      icv: "f09478a9b09007d06f46e9b6a1da25dd"),
    Vector(
      description: "gcm 256 54B integrity", suite: .gcmAES256,
      key: "e3c08a8f06c6e3ad95a70557b23f75483ce33021a9c72b7025666204c69c0b72",
      addresses: "d609b1f056637a0d46df998d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233340001",
      tag: "88e5222ab2c2846512153524c0895e81",
      secured: "",
      icv: "2f0bc5af409e06d609ea8b7d0fa5ea50"),
    Vector(
      description: "gcm 128 xpn 54B integrity", suite: .gcmAESXPN128,
      key: "ad7a2bd03eac835a6f620fdcb506b345",
      addresses: "d609b1f056637a0d46df998d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233340001",
      tag: "88e5222ab2c2846512153524c0895e81",
      secured: "",
      icv: "17fe1981ebdd4afc5062697e8baa0c23"),
    Vector(
      description: "gcm 256 xpn 54B integrity", suite: .gcmAESXPN256,
      key: "e3c08a8f06c6e3ad95a70557b23f75483ce33021a9c72b7025666204c69c0b72",
      addresses: "d609b1f056637a0d46df998d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233340001",
      tag: "88e5222ab2c2846512153524c0895e81",
      secured: "",
      icv: "4dbd2f6a754a6cf728cc129ba6931577"),
    Vector(
      description: "gcm 128 60B integrity", suite: .gcmAES128,
      key: "071b113b0ca743fecccf3d051f737382",
      addresses: "e20106d7cd0df0761e8dcd3d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a0003",
      tag: "88e5400076d457ed",
      secured: "",
      icv: "0c017bc73b227dfcc9bafa1c41acc353"),
    Vector(
      description: "gcm 256 60B integrity", suite: .gcmAES256,
      key: "691d3ee909d7f54167fd1ca0b5d769081f2bde1aee655fdbab80bd5295ae6be7",
      addresses: "e20106d7cd0df0761e8dcd3d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a0003",
      tag: "88e5400076d457ed",
      secured: "",
      icv: "35217c774bbc31b63166bcf9d4abed07"),
    Vector(
      description: "gcm 128 xpn 60B integrity", suite: .gcmAESXPN128,
      key: "071b113b0ca743fecccf3d051f737382",
      addresses: "e20106d7cd0df0761e8dcd3d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a0003",
      tag: "88e5400076d457ed",
      secured: "",
      icv: "abc40685a3cf911d3787e49db6a7265e"),
    Vector(
      description: "gcm 256 xpn 60B integrity", suite: .gcmAESXPN256,
      key: "691d3ee909d7f54167fd1ca0b5d769081f2bde1aee655fdbab80bd5295ae6be7",
      addresses: "e20106d7cd0df0761e8dcd3d",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a0003",
      tag: "88e5400076d457ed",
      secured: "",
      icv: "ac21957b8312ab3c99ab46849879c3f3"),
    Vector(
      description: "gcm 128 65B integrity", suite: .gcmAES128,
      key: "013fe00b5f11be7f866d0cbbc55a7a90",
      addresses: "84c5d513d2aaf6e5bbd27277",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b3c3d3e3f0005",
      tag: "88e523008932d6127cfde9f9e33724c6",
      secured: "",
      icv: "217867e50c2dad74c28c3b50abdf695a"),
    Vector(
      description: "gcm 256 65B integrity", suite: .gcmAES256,
      key: "83c093b58de7ffe1c0da926ac43fb3609ac1c80fee1b624497ef942e2f79a823",
      addresses: "84c5d513d2aaf6e5bbd27277",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b3c3d3e3f0005",
      tag: "88e523008932d6127cfde9f9e33724c6",
      secured: "",
      icv: "6ee160e8faeca4b36c86b234920ca975"),
    Vector(
      description: "gcm 128 xpn 65B integrity", suite: .gcmAESXPN128,
      key: "013fe00b5f11be7f866d0cbbc55a7a90",
      addresses: "84c5d513d2aaf6e5bbd27277",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b3c3d3e3f0005",
      tag: "88e523008932d6127cfde9f9e33724c6",
      secured: "",
      icv: "678559b7e52db00682e3b83034cebe59"),
    Vector(
      description: "gcm 256 xpn 65B integrity", suite: .gcmAESXPN256,
      key: "83c093b58de7ffe1c0da926ac43fb3609ac1c80fee1b624497ef942e2f79a823",
      addresses: "84c5d513d2aaf6e5bbd27277",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b3c3d3e3f0005",
      tag: "88e523008932d6127cfde9f9e33724c6",
      secured: "",
      icv: "84bac8e53d1ea355a5c7d334840ae962"),
    Vector(
      description: "gcm 128 79B integrity", suite: .gcmAES128,
      key: "88ee087fd95da9fbf6725aa9d757b0cd",
      addresses: "68f2e77696ce7ae8e2ca4ec5",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b3c3d3e3f404142434445464748494a4b4c4d0007",
      tag: "88e541002e58495c",
      secured: "",
      icv: "07922b8ebcf10bb2297588ca4c614523"),
    Vector(
      description: "gcm 256 79B integrity", suite: .gcmAES256,
      key: "4c973dbc7364621674f8b5b89e5c15511fced9216490fb1c1a2caa0ffe0407e5",
      addresses: "68f2e77696ce7ae8e2ca4ec5",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b3c3d3e3f404142434445464748494a4b4c4d0007",
      tag: "88e541002e58495c",
      secured: "",
      icv: "00bda1b7e87608bcbf470f12157f4c07"),
    Vector(
      description: "gcm 128 xpn 79B integrity", suite: .gcmAESXPN128,
      key: "88ee087fd95da9fbf6725aa9d757b0cd",
      addresses: "68f2e77696ce7ae8e2ca4ec5",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b3c3d3e3f404142434445464748494a4b4c4d0007",
      tag: "88e541002e58495c",
      secured: "",
      icv: "d0dc896dc83798a79f3c5a95ba3cdf9a"),
    Vector(
      description: "gcm 256 xpn 79B integrity", suite: .gcmAESXPN256,
      key: "4c973dbc7364621674f8b5b89e5c15511fced9216490fb1c1a2caa0ffe0407e5",
      addresses: "68f2e77696ce7ae8e2ca4ec5",
      data: "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839"
        + "3a3b3c3d3e3f404142434445464748494a4b4c4d0007",
      tag: "88e541002e58495c",
      secured: "",
      icv: "04249a208a65b96b3f3263004cfd867d"),
  ]
}
