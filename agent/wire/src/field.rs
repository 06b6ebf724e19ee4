//! What a body can be asked for: one vocabulary for all dialects. Knows no dialect's names.

/// A scalar, a text, or a stretch (`begin` … `end`) of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Model,
    ServiceTier,
    /// What kind of document or event this is.
    Type,
    Status,
    /// Something a model said: seen, never read.
    Content,

    /// A request's.
    Stream,
    IncludeUsage,
    Tool,

    /// A stretch of figures; a later one replaces an earlier one.
    Usage,
    /// Figures in a place that counts only where the usual place is empty.
    SpareUsage,
    InputTokens,
    OutputTokens,
    TotalTokens,
    Cached,
    /// The same figure under an older or another name: counts where `Cached` is missing.
    CachedToo,
    CacheWrite,
    CacheWrite5m,
    CacheWrite1h,
    Reasoning,
    ReasoningToo,
    InputAudio,
    OutputAudio,
    WebSearches,
    /// Read by the model for a tool's sake, beside the input.
    ToolPrompt,
    /// What is paid for, where that is not what was read and written.
    BilledInput,
    BilledOutput,
    SearchUnits,
    /// A count by modality.
    Detail,
    Modality,
    /// Dollars; or ten-thousand-millionths of one.
    StatedCost,
    StatedCostTicks,
    /// What is stated is a fee: the tokens are on another bill.
    OwnKey,

    Choice,
    /// A piece of a choice; what else its chunk says of the message is said again.
    Delta,
    ChoiceIndex,
    FinishReason,
    /// The same under another name: counts where `FinishReason` is missing.
    FinishReasonToo,

    /// A whole call of a tool.
    Call,
    /// A piece of a call, to be joined by index.
    CallDelta,
    CallIndex,
    CallId,
    CallName,
    CallArguments,

    /// A part of an answer: text, reasoning, a call.
    Item,
    ItemType,
    ItemIndex,
    Items,

    Error,
    ErrorKind,
    ErrorCode,
    ErrorStatus,
    ErrorMessage,
    RetryDelay,
    /// The same, beside the error or instead of it, at the top of the document.
    OuterObject,
    OuterKind,
    OuterCode,
    OuterMessage,
}
