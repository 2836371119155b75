//! A function of our own inside of FTS5: it sees every matching row while FTS5 stands on it, which is
//! ten times as fast as `bm25()` and tells more. The only module here that speaks FTS5's C interface.

#![allow(unsafe_code, reason = "FTS5 offers auxiliary functions in C only")]

use std::{
    cell::RefCell,
    ffi::{c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    rc::Rc,
};

use rusqlite::{
    Connection,
    ffi::{self, Fts5Context, Fts5ExtensionApi, Fts5PhraseIter},
    types::{ToSql, ToSqlOutput},
};

use super::collect::Collector;

/// Names the type of the pointer that carries a collector into a statement.
const POINTER: &std::ffi::CStr = c"qmdd-collector";

/// A statement that shows a [`Collector`] (the second parameter) every row that an FTS5 expression
/// (the first) matches. Yields no row itself: the function is never true.
pub(super) const COLLECT: &str = "SELECT 1 FROM documents_fts
    WHERE documents_fts MATCH ?1 AND collect(documents_fts, ?2)";

/// A collector as a statement's parameter.
#[derive(Clone)]
pub(super) struct Shared(pub(super) Rc<RefCell<Collector>>);

impl ToSql for Shared {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from_rc(Rc::clone(&self.0), POINTER))
    }
}

/// Makes a connection know the function.
pub(in crate::store) fn register(connection: &Connection) -> rusqlite::Result<()> {
    // SAFETY: the handle belongs to an open connection and is used within this call only. By FTS5's
    // documentation `SELECT fts5(?1)` with a pointer of the type "fts5_api_ptr" bound stores the
    // address of its interface through that pointer, which outlives the statement. The interface
    // lives as long as the connection, and so does the function, which has no state of its own.
    unsafe {
        let handle = connection.handle();
        let mut api: *mut ffi::fts5_api = ptr::null_mut();
        let mut statement = ptr::null_mut();
        check(ffi::sqlite3_prepare_v2(
            handle,
            c"SELECT fts5(?1)".as_ptr(),
            -1,
            &raw mut statement,
            ptr::null_mut(),
        ))?;
        ffi::sqlite3_bind_pointer(
            statement,
            1,
            (&raw mut api).cast::<c_void>(),
            c"fts5_api_ptr".as_ptr(),
            None,
        );
        ffi::sqlite3_step(statement);
        check(ffi::sqlite3_finalize(statement))?;
        let create = api.as_ref().and_then(|api| api.xCreateFunction);
        let create = create.ok_or_else(|| failure(ffi::SQLITE_MISUSE))?;
        check(create(
            api,
            c"collect".as_ptr(),
            ptr::null_mut(),
            Some(collect),
            None,
        ))
    }
}

/// Called by FTS5 for each row.
///
/// # Safety
/// FTS5 passes an interface and a context that are valid during the call, and `count` values.
unsafe extern "C" fn collect(
    api: *const Fts5ExtensionApi,
    context: *mut Fts5Context,
    result: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: `values` has `count` entries. SQLite gives the pointer back only when it was bound
    // under the same name, which `Shared` alone does; the statement keeps what it points to alive.
    let collector = unsafe {
        if count == 1 {
            ffi::sqlite3_value_pointer(*values, POINTER.as_ptr()).cast::<RefCell<Collector>>()
        } else {
            ptr::null_mut()
        }
    };
    // A panic must not cross C. What it leaves behind is dropped with the statement.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: as above; both are null or valid during the call.
        let (collector, api) = unsafe { (collector.as_ref(), api.as_ref()) };
        let (Some(collector), Some(api)) = (collector, api) else {
            return Err(failure(ffi::SQLITE_MISUSE));
        };
        let mut collector = collector
            .try_borrow_mut()
            .map_err(|_| failure(ffi::SQLITE_MISUSE))?;
        collector.visit(&Row { api, context })
    }));
    let code = match outcome {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error
            .sqlite_error()
            .map_or(ffi::SQLITE_ERROR, |error| error.extended_code),
        Err(_) => ffi::SQLITE_INTERNAL,
    };
    // SAFETY: `result` is the context of this call.
    unsafe { ffi::sqlite3_result_error_code(result, code) }
}

/// The row that FTS5 stands on.
pub(super) struct Row<'a> {
    api: &'a Fts5ExtensionApi,
    context: *mut Fts5Context,
}

/// What every call of the interface has in common: the function is there, and the context valid.
macro_rules! call {
    ($row:expr, $function:ident $(, $argument:expr)*) => {{
        let function = $row.api.$function.ok_or_else(|| failure(ffi::SQLITE_MISUSE))?;
        // SAFETY: a `Row` exists only during a call from FTS5, in which interface and context are
        // valid; pointers among the arguments are those of live variables.
        unsafe { function($row.context $(, $argument)*) }
    }};
}

impl Row<'_> {
    /// Its document.
    pub(super) fn id(&self) -> rusqlite::Result<i64> {
        Ok(call!(self, xRowid))
    }

    /// Rows of the table.
    pub(super) fn rows(&self) -> rusqlite::Result<i64> {
        let mut rows = 0;
        check(call!(self, xRowCount, &raw mut rows))?;
        Ok(rows)
    }

    /// Tokens of all rows and columns.
    pub(super) fn tokens_of_all(&self) -> rusqlite::Result<i64> {
        let mut tokens = 0;
        check(call!(self, xColumnTotalSize, -1, &raw mut tokens))?;
        Ok(tokens)
    }

    /// Tokens of this row, all columns together. Reads another table: costs more than the rest.
    pub(super) fn tokens(&self) -> rusqlite::Result<i64> {
        let mut tokens = 0;
        check(call!(self, xColumnSize, -1, &raw mut tokens))?;
        Ok(i64::from(tokens))
    }

    /// Calls `found` with column and offset of each place where a phrase of the expression stands.
    pub(super) fn places(
        &self,
        phrase: usize,
        mut found: impl FnMut(usize, u32),
    ) -> rusqlite::Result<()> {
        let mut places = Fts5PhraseIter {
            a: ptr::null(),
            b: ptr::null(),
        };
        let (mut column, mut offset) = (0, 0);
        let phrase = phrase as c_int;
        check(call!(
            self,
            xPhraseFirst,
            phrase,
            &raw mut places,
            &raw mut column,
            &raw mut offset
        ))?;
        while column >= 0 {
            found(column as usize, offset as u32);
            call!(
                self,
                xPhraseNext,
                &raw mut places,
                &raw mut column,
                &raw mut offset
            );
        }
        Ok(())
    }
}

fn check(code: c_int) -> rusqlite::Result<()> {
    if code == ffi::SQLITE_OK {
        Ok(())
    } else {
        Err(failure(code))
    }
}

fn failure(code: c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}
