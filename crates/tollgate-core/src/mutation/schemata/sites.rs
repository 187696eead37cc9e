//! Where mutants are in a text.

use proc_macro2::{LineColumn, Span, TokenStream};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Arm, BinOp, Block, Expr, ExprBinary, ExprMatch, ExprStruct, ExprUnary, File, ImplItemFn, Item, ItemFn, ItemMod,
    Pat, ReturnType, Signature, TraitItemFn, TypeImplTrait,
};
use tollgate_model::Mutant;

/// What is done at a site. Of two with the same bytes the first here is around the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A function as a whole: nothing is written for it.
    Function {
        /// Whether nothing of its body is seen from elsewhere.
        is_sealed: bool,
    },
    /// A function's statements: mutants return before them.
    Body,
    /// A pattern: mutants keep it from matching.
    Pattern,
    /// An expression: mutants take its place.
    Expression,
}

/// One mutant of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alternative {
    pub(super) id: u32,
    /// What stands there instead, on one line.
    pub(super) text: String,
}

/// A piece of the text that mutants are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
    /// The path of the function that says which mutant is on.
    pub(super) switch: String,
    pub(super) alternatives: Vec<Alternative>,
}

impl Site {
    /// The numbers of its mutants.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.alternatives.iter().map(|alternative| alternative.id)
    }

    /// The call that says which of its mutants is on.
    pub(super) fn call(&self) -> String {
        let ids: Vec<String> = self.ids().map(|id| id.to_string()).collect();
        format!("{}(&[{}])", self.switch, ids.join(", "))
    }
}

/// Bytes after which an attribute for the whole file may stand, and overrule what the file says of lints.
pub(super) fn preamble_end(file: &File) -> usize {
    let attributes = file.attrs.iter().filter(|attribute| !attribute.path().is_ident("doc"));
    attributes.map(|attribute| attribute.span().byte_range().end).max().unwrap_or(0)
}

/// The sites of mutants, outer ones first.
pub(super) fn sites(file: &File, source: &str, mutants: &[(u32, &Mutant)]) -> Vec<Site> {
    let mut wanted = Listed::new();
    for (id, mutant) in mutants {
        if let Some(column) = mutant.column() {
            let place = (mutant.genre.as_str(), mutant.lines.0, column);
            wanted.entry(place).or_default().push((*id, &mutant.replacement));
        }
    }
    let mut finder = Finder { source, wanted, depth: 0, has_rest: false, found: BTreeMap::new() };
    finder.visit_file(file);
    finder.found.into_values().collect()
}

/// Number and replacement of mutants, by genre, line and column.
type Listed<'a> = BTreeMap<(&'a str, u32, u32), Vec<(u32, &'a str)>>;

struct Finder<'a> {
    source: &'a str,
    wanted: Listed<'a>,
    /// Modules of the file that are around.
    depth: usize,
    /// Whether an arm of the match that is around takes whatever the others don't.
    has_rest: bool,
    found: BTreeMap<(usize, Reverse<usize>, Kind), Site>,
}

impl<'a> Finder<'a> {
    fn wanted(&self, genre: &str, at: LineColumn) -> Vec<(u32, &'a str)> {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.wanted.get(&(genre, number(at.line), number(at.column + 1))).cloned().unwrap_or_default()
    }

    fn add(&mut self, kind: Kind, range: Range<usize>, id: u32, text: &str) {
        let Some(text) = one_line(text) else { return };
        self.site(kind, range).alternatives.push(Alternative { id, text });
    }

    fn site(&mut self, kind: Kind, range: Range<usize>) -> &mut Site {
        let path = if self.depth == 0 { "self::".to_owned() } else { "super::".repeat(self.depth) };
        self.found.entry((range.start, Reverse(range.end), kind)).or_insert_with(|| Site {
            range,
            kind,
            switch: path + "__tollgate_mutant",
            alternatives: Vec::new(),
        })
    }

    /// A function that is no constant one.
    fn function(&mut self, whole: Span, signature: &Signature, block: &Block) {
        let mut items = Items(false);
        items.visit_block(block);
        let is_sealed = signature.asyncness.is_none() && !has_unnamed(&signature.output) && !items.0;
        self.site(Kind::Function { is_sealed }, whole.byte_range());
        self.body(block);
    }

    fn body(&mut self, block: &Block) {
        let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) else { return };
        let range = first.span().byte_range().start..last.span().byte_range().end;
        for (id, replacement) in self.wanted("FnValue", first.span().start()) {
            self.add(Kind::Body, range.clone(), id, replacement);
        }
    }

    /// The operators of an expression up to parentheses, as mutants of the whole: another operator may bind its operands in
    /// another way, as it does where cargo-mutants writes it.
    fn chain(&mut self, expr: &ExprBinary, whole: Span) {
        let operator = expr.op.span();
        for (id, replacement) in self.wanted("BinaryOperator", operator.start()) {
            let text = self.with(whole, operator.byte_range(), replacement);
            self.add(Kind::Expression, whole.byte_range(), id, &text);
        }
        for operand in [&expr.left, &expr.right] {
            match &**operand {
                Expr::Binary(inner) => self.chain(inner, whole),
                other => self.visit_expr(other),
            }
        }
    }

    /// A part of a condition with `let`, which is no value, and in which `&&` has no other operator in its place.
    fn conjunct(&mut self, expr: &Expr) {
        match expr {
            Expr::Binary(inner) if matches!(inner.op, BinOp::And(_)) => {
                self.conjunct(&inner.left);
                self.conjunct(&inner.right);
            }
            other => self.visit_expr(other),
        }
    }

    /// Its text with something else in place of a part.
    fn with(&self, node: Span, part: Range<usize>, replacement: &str) -> String {
        let node = node.byte_range();
        format!("{} {replacement} {}", &self.source[node.start..part.start], &self.source[part.end..node.end])
    }

    /// The bytes of a field, with its comma.
    fn field(&self, field: Span, end: usize) -> Range<usize> {
        let bytes = field.byte_range();
        let rest = self.source[bytes.end..end].trim_start();
        if rest.starts_with(',') { bytes.start..end - rest.len() + 1 } else { bytes }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.depth += 1;
        visit::visit_item_mod(self, item);
        self.depth -= 1;
    }

    // What is computed by the compiler reads no file.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if item.sig.constness.is_none() {
            self.function(item.span(), &item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if item.sig.constness.is_none() {
            self.function(item.span(), &item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(item.span(), &item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_expr_binary(&mut self, expr: &'ast ExprBinary) {
        if matches!(expr.op, BinOp::And(_)) && has_let(expr) {
            self.conjunct(&expr.left);
            self.conjunct(&expr.right);
        } else {
            self.chain(expr, expr.span());
        }
    }

    fn visit_expr_unary(&mut self, expr: &'ast ExprUnary) {
        let operator = expr.op.span();
        for (id, replacement) in self.wanted("UnaryOperator", operator.start()) {
            let text = self.with(expr.span(), operator.byte_range(), replacement);
            self.add(Kind::Expression, expr.span().byte_range(), id, &text);
        }
        visit::visit_expr_unary(self, expr);
    }

    fn visit_expr_match(&mut self, expr: &'ast ExprMatch) {
        let has_rest = expr.arms.iter().any(|arm| matches!(arm.pat, Pat::Wild(_)));
        let around = std::mem::replace(&mut self.has_rest, has_rest);
        visit::visit_expr_match(self, expr);
        self.has_rest = around;
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        let guard = match &arm.pat {
            Pat::Guard(pattern) => Some(pattern.guard.span()),
            _ => None,
        };
        if let Some(guard) = guard {
            for (id, replacement) in self.wanted("MatchArmGuard", guard.start()) {
                self.add(Kind::Expression, guard.byte_range(), id, replacement);
            }
        }
        for (id, _) in self.wanted("MatchArm", arm.span().start()) {
            match guard {
                Some(guard) => self.add(Kind::Expression, guard.byte_range(), id, "false"),
                None if self.has_rest => self.add(Kind::Pattern, arm.pat.span().byte_range(), id, ""),
                // Under a condition it would leave a value without an arm, and no other mutant of the function would compile.
                None => {}
            }
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, expr: &'ast ExprStruct) {
        let node = expr.span();
        for field in &expr.fields {
            for (id, replacement) in self.wanted("StructField", field.span().start()) {
                let part = self.field(field.span(), node.byte_range().end);
                let text = self.with(node, part, replacement);
                self.add(Kind::Expression, node.byte_range(), id, &text);
            }
        }
        visit::visit_expr_struct(self, expr);
    }
}

/// Whether there are items in a body.
struct Items(bool);

impl<'ast> Visit<'ast> for Items {
    fn visit_item(&mut self, _: &'ast Item) {
        self.0 = true;
    }
}

/// Whether what is returned is of a type that only the body says.
fn has_unnamed(output: &ReturnType) -> bool {
    struct Unnamed(bool);
    impl<'ast> Visit<'ast> for Unnamed {
        fn visit_type_impl_trait(&mut self, _: &'ast TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut unnamed = Unnamed(false);
    unnamed.visit_return_type(output);
    unnamed.0
}

fn has_let(expr: &ExprBinary) -> bool {
    [&expr.left, &expr.right].into_iter().any(|operand| match &**operand {
        Expr::Let(_) => true,
        Expr::Binary(inner) => has_let(inner),
        _ => false,
    })
}

/// The same code on one line, without comments; none where a literal has a line break in it.
fn one_line(code: &str) -> Option<String> {
    if !code.contains('\n') {
        return Some(code.to_owned());
    }
    let text = code.parse::<TokenStream>().ok()?.to_string();
    (!text.contains('\n')).then_some(text)
}
