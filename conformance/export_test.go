package conformance

// VerifyInBubble is what Run does with InBubble, without subtests.
var VerifyInBubble = verifyInBubble
